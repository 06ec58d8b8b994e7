{
  "targets": [
    {
      "target_name": "ebpf",
      "sources": [
        "addon/module.cc",
        "addon/handle.cc",
        "addon/failure.cc",
        "addon/log.cc",
        "addon/netns.cc",
        "addon/netns-identity.cc",
        "addon/netns-query.cc",
        "addon/promise-worker.cc",
        "addon/object.cc",
        "addon/program-run.cc",
        "addon/attach.cc",
        "addon/link.cc",
        "addon/map.cc",
        "addon/module-function.cc",
        "addon/ring.cc",
        "addon/btf.cc",
        "addon/packet-filter.cc",
        "addon/probe.cc",
        "addon/allocator.cc",
        "addon/datagram.cc",
        "addon/echo-probe.cc",
        "addon/descriptors.cc",
        "addon/confine.cc",
        "addon/system-call-filter.cc"
      ],
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9",
        # std::bad_alloc and the like become JavaScript errors too.
        "NODE_ADDON_API_CPP_EXCEPTIONS_ALL",
        # A Worker that is being terminated can take no exception; that is no fault.
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "cflags!": ["-fno-exceptions", "-O3"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-O3"],
      "cflags_cc": [
        "-std=gnu++20", "-fexceptions", "-frtti", "-O2",
        "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers",
        "-fvisibility=hidden"
      ],
      "libraries": ["-lbpf", "-lelf", "-lz", "-lpcap"]
    }
  ]
}
