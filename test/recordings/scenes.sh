#!/bin/bash
# Inside a guest: records each scenario alone, in its cluster, with the records of a replay
# there, and with what tcpdump saw meanwhile on every device of every namespace, into the folder
# given. A second argument, `without-demo`, leaves out the recording of the demo.
set -euo pipefail
out=$1
without=${2:-}
hopscope() { node dist/cli/main.js "$@"; }
in_netns() { ip netns exec "$@" || true; }
get() { # netns, source port, host, port, seconds
	printf 'GET / HTTP/1.1\r\nHost: scenario\r\nConnection: close\r\n\r\n' |
		in_netns "$1" nc -n -p "$2" -w "$5" "$3" "$4" > /dev/null
}

# watch NAME: a tcpdump in each namespace of the lab, on all its devices.
watch() {
	local netns
	watchers=()
	for netns in $(ip netns list | cut -d ' ' -f 1); do
		ip netns exec "$netns" tcpdump -Z root -nn -tt -v -U -i any ip \
			> "$out/$1.tcpdump.$netns" 2> "$out/$1.tcpdump.$netns.log" &
		watchers+=($!)
	done
	for netns in $(ip netns list | cut -d ' ' -f 1); do
		until grep -q 'listening on' "$out/$1.tcpdump.$netns.log"; do sleep 0.2; done
	done
}

# unwatch NAME: ends them; one file, a heading for each namespace.
unwatch() {
	local file
	kill -INT "${watchers[@]}"
	wait "${watchers[@]}" || true
	for file in "$out/$1".tcpdump.*; do
		[[ $file == *.log ]] && continue
		echo "== ${file##*.tcpdump.}"
		cat "$file"
	done > "$out/$1.tcpdump"
}

# record NAME COMMAND…: what happens while COMMAND runs, and two seconds for its ends.
record() {
	local name=$1 recorder
	shift
	echo "recording $name"
	[ "$name" = demo ] || watch "$name"
	node dist/cli/main.js record --sample all "$out/$name.hops" 2> "$out/$name.log" &
	recorder=$!
	until grep -q ready "$out/$name.log"; do
		kill -0 $recorder || { cat "$out/$name.log"; exit 1; }
		sleep 0.2
	done
	"$@"
	sleep 2
	kill -INT $recorder
	wait $recorder
	[ "$name" = demo ] || unwatch "$name"
	tail -n 1 "$out/$name.log"
	hopscope replay "$out/$name.hops" --json > "$out/$name.flows.jsonl"
	hopscope replay "$out/$name.hops" --paths --json > "$out/$name.paths.jsonl"
}

pod3=10.244.146.205
service=10.107.161.3
s2() { in_netns pod1 ping -q -c 3 -i 0.2 $pod3; }
s6() { get pod1 42006 $service 8080 5; }
s10() { get client 42010 172.18.22.111 30083 5; }
s12() {
	get pod1 42012 $pod3 80 5
	get pod2 42112 $pod3 80 4
}
s13() { get pod1 42013 $service 8080 5; }
s19() {
	in_netns pod1 ping -q -c 1 -M 'do' -s 1472 $pod3
	in_netns pod1 ping -q -c 1 -M dont -s 1472 $pod3
}
demo() { hopscope lab traffic --quiet --duration 20s; }

hopscope lab up --encap ipip
in_netns pod1 ping -q -c 2 $pod3
record S2 s2
record S6 s6
record S10 s10
[ "$without" = without-demo ] || record demo demo
hopscope lab up --encap ipip --policy
record S12 s12
hopscope lab up --encap ipip --proxy ipvs
get pod1 42113 $service 8080 5
record S13 s13
hopscope lab up --encap ipip --pod-mtu 1500
record S19 s19
hopscope lab down
