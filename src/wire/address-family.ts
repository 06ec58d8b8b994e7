/** include/linux/socket.h, as conntrack's l3num has them. */
export const AF_INET = 2;
export const AF_INET6 = 10;
