/*
 * The stack as a shared object for packetdrill's --so_filename (google/packetdrill, gtests/net/
 * packetdrill/packetdrill.h, whose struct packetdrill_interface this fills in). Time is
 * virtual: it moves only when packetdrill sleeps or waits for a packet. Calls that block run on
 * packetdrill's second thread; one mutex guards everything.
 *
 * Build and run: tests/net/run_packetdrill.py.
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "packetdrill.h" /* from packetdrill's own tree: -I */

#include "net/socket.h"
#include "tests/net/packetdrill_wire.h"

#define DESCRIPTORS_MAX 256

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *interface);

static struct net_socket *sockets[DESCRIPTORS_MAX];
static bool nonblocking[DESCRIPTORS_MAX];

/* ---- Calls ---------------------------------------------------------------------------------- */

static int fail(int code)
{
    errno = code;
    return -1;
}

static int fail_with(enum err error)
{
    static const struct {
        enum err error;
        int code;
    } table[] = {{ERR_AGAIN, EAGAIN},
                 {ERR_INPROGRESS, EINPROGRESS},
                 {ERR_ALREADY, EALREADY},
                 {ERR_ISCONN, EISCONN},
                 {ERR_CONNREFUSED, ECONNREFUSED},
                 {ERR_CONNRESET, ECONNRESET},
                 {ERR_TIMEDOUT, ETIMEDOUT},
                 {ERR_PIPE, EPIPE},
                 {ERR_NOTCONN, ENOTCONN},
                 {ERR_INVAL, EINVAL},
                 {ERR_ADDRINUSE, EADDRINUSE},
                 {ERR_HOSTUNREACH, EHOSTUNREACH},
                 {ERR_NETUNREACH, ENETUNREACH},
                 {ERR_CONNABORTED, ECONNABORTED},
                 {ERR_ADDRNOTAVAIL, EADDRNOTAVAIL},
                 {ERR_BADF, EBADF},
                 {ERR_NOPROTOOPT, ENOPROTOOPT},
                 {ERR_DESTADDRREQ, EDESTADDRREQ}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].error == error) {
            return fail(table[i].code);
        }
    }
    return fail(EIO);
}

static struct net_socket *socket_of(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS_MAX ? sockets[fd] : NULL;
}

/* Numbers of the process itself: packetdrill closes what a script leaves open with close(2). */
static int descriptor_add(struct net_socket *socket)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || fd >= DESCRIPTORS_MAX) {
        net_socket_close(socket);
        return fail(EMFILE);
    }
    sockets[fd] = socket;
    nonblocking[fd] = false;
    return fd;
}

static bool may_block(int fd, int flags)
{
    return !nonblocking[fd] && (flags & MSG_DONTWAIT) == 0;
}

static void leave(void)
{
    wire_run();
    wire_settled();
    pthread_mutex_unlock(&wire_mutex);
}

static struct net_socket *enter(int fd)
{
    pthread_mutex_lock(&wire_mutex);
    net_stack_tick(wire_stack);
    return socket_of(fd);
}

static int so_socket(void *userdata, int domain, int type, int protocol)
{
    struct net_socket *socket;
    (void)userdata;
    (void)protocol;
    if (domain != AF_INET || (type & 15) != SOCK_STREAM) {
        return fail(EAFNOSUPPORT);
    }
    enter(-1);
    enum err error = net_socket_open(wire_stack, NET_FAMILY_IPV4, NET_SOCKET_STREAM, &socket);
    int result = error == ERR_OK ? descriptor_add(socket) : fail_with(error);
    if (result >= 0 && (type & SOCK_NONBLOCK) != 0) {
        nonblocking[result] = true;
    }
    leave();
    return result;
}

static struct net_endpoint endpoint_of(const struct sockaddr *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    return (struct net_endpoint){
        .address = ip_address_from_ipv4((const uint8_t *)&in->sin_addr),
        .port = ntohs(in->sin_port),
    };
}

static int so_bind(void *userdata, int fd, const struct sockaddr *address, socklen_t length)
{
    struct net_endpoint local = endpoint_of(address);
    struct net_socket *socket = enter(fd);
    (void)userdata;
    (void)length;
    enum err error = socket != NULL ? net_socket_bind(socket, &local) : ERR_BADF;
    leave();
    return error == ERR_OK ? 0 : fail_with(error);
}

static int so_listen(void *userdata, int fd, int backlog)
{
    struct net_socket *socket = enter(fd);
    (void)userdata;
    enum err error = socket != NULL ? net_socket_listen(socket, (uint32_t)backlog) : ERR_BADF;
    leave();
    return error == ERR_OK ? 0 : fail_with(error);
}

static void fill_address(const struct net_endpoint *from, struct sockaddr *to, socklen_t *length)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(from->port)};
    if (to == NULL || length == NULL) {
        return;
    }
    memcpy(&in.sin_addr, ip_address_ipv4_bytes(&from->address), 4);
    memcpy(to, &in, *length < sizeof(in) ? *length : sizeof(in));
    *length = sizeof(in);
}

static int so_accept(void *userdata, int fd, struct sockaddr *address, socklen_t *length)
{
    struct net_socket *socket = enter(fd);
    struct net_socket *accepted;
    struct net_endpoint remote;
    enum err error = ERR_BADF;
    (void)userdata;
    while (socket != NULL && (error = net_socket_accept(socket, &accepted)) == ERR_AGAIN &&
           may_block(fd, 0)) {
        wire_block();
    }
    int result = error == ERR_OK ? descriptor_add(accepted) : fail_with(error);
    if (result >= 0 && net_socket_remote(accepted, &remote) == ERR_OK) {
        fill_address(&remote, address, length);
    }
    int saved = errno;
    leave();
    errno = saved;
    return result;
}

static int so_connect(void *userdata, int fd, const struct sockaddr *address, socklen_t length)
{
    struct net_endpoint remote = endpoint_of(address);
    struct net_socket *socket = enter(fd);
    (void)userdata;
    (void)length;
    enum err error = socket != NULL ? net_socket_connect(socket, &remote) : ERR_BADF;
    if (error == ERR_INPROGRESS && may_block(fd, 0)) {
        wire_run();
        while ((net_socket_events(socket) & (NET_EVENT_WRITABLE_BIT | NET_EVENT_ERROR_BIT)) == 0) {
            wire_block();
        }
        int64_t pending;
        error = net_socket_get_option(socket, NET_OPTION_ERROR, &pending);
        if (error == ERR_OK) {
            error = (enum err)pending;
        }
    }
    leave();
    return error == ERR_OK ? 0 : fail_with(error);
}

static ssize_t receive_into(struct net_socket *socket, uint8_t *buffer, size_t count, bool peek,
                            enum err *error)
{
    size_t done = 0;
    while (done < count) {
        struct net_const_span span;
        *error = net_socket_receive_peek(socket, peek ? done : 0, &span);
        if (*error != ERR_OK || span.length_bytes == 0) {
            break;
        }
        size_t take = span.length_bytes < count - done ? span.length_bytes : count - done;
        memcpy(buffer + done, span.data, take);
        if (!peek) {
            net_socket_receive_consume(socket, take);
        }
        done += take;
    }
    return (ssize_t)done;
}

static ssize_t so_recv(void *userdata, int fd, void *buffer, size_t count, int flags)
{
    struct net_socket *socket = enter(fd);
    enum err error = socket != NULL ? ERR_OK : ERR_BADF;
    ssize_t done = 0;
    (void)userdata;
    while (socket != NULL && count > 0) {
        error = ERR_OK;
        done = receive_into(socket, buffer, count, (flags & MSG_PEEK) != 0, &error);
        if (done > 0 || error != ERR_AGAIN || !may_block(fd, flags)) {
            break;
        }
        wire_block();
    }
    leave();
    return done > 0 || error == ERR_OK ? done : fail_with(error);
}

static ssize_t so_read(void *userdata, int fd, void *buffer, size_t count)
{
    return so_recv(userdata, fd, buffer, count, 0);
}

static ssize_t so_readv(void *userdata, int fd, const struct iovec *iov, int count)
{
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        ssize_t got =
            so_recv(userdata, fd, iov[i].iov_base, iov[i].iov_len, total > 0 ? MSG_DONTWAIT : 0);
        if (got <= 0) {
            return total > 0 ? total : got;
        }
        total += got;
    }
    return total;
}

static ssize_t so_recvfrom(void *userdata, int fd, void *buffer, size_t count, int flags,
                           struct sockaddr *source, socklen_t *length)
{
    (void)source;
    (void)length;
    return so_recv(userdata, fd, buffer, count, flags);
}

static ssize_t so_recvmsg(void *userdata, int fd, struct msghdr *message, int flags)
{
    (void)flags;
    return so_readv(userdata, fd, message->msg_iov, (int)message->msg_iovlen);
}

static ssize_t so_writev(void *userdata, int fd, const struct iovec *iov, int count)
{
    struct net_socket *socket = enter(fd);
    enum err error = socket != NULL ? ERR_OK : ERR_BADF;
    ssize_t total = 0;
    (void)userdata;
    for (int i = 0; socket != NULL && i < count; i++) {
        size_t done = 0;
        while (done < iov[i].iov_len) {
            struct net_span span;
            error = net_socket_send_reserve(socket, iov[i].iov_len - done, &span);
            if (error == ERR_AGAIN && may_block(fd, 0)) {
                wire_block();
                continue;
            }
            if (error != ERR_OK) {
                break;
            }
            size_t room = iov[i].iov_len - done;
            size_t take = span.length_bytes < room ? span.length_bytes : room;
            memcpy(span.data, (const uint8_t *)iov[i].iov_base + done, take);
            error = net_socket_send_commit(socket, take, NULL);
            if (error != ERR_OK) {
                break;
            }
            done += take;
        }
        total += (ssize_t)done;
        if (error != ERR_OK) {
            break;
        }
    }
    leave();
    return total > 0 || error == ERR_OK ? total : fail_with(error);
}

static ssize_t so_write(void *userdata, int fd, const void *buffer, size_t count)
{
    union {
        const void *in;
        void *out;
    } data = {.in = buffer};
    struct iovec iov = {.iov_base = data.out, .iov_len = count};
    return so_writev(userdata, fd, &iov, 1);
}

static ssize_t so_send(void *userdata, int fd, const void *buffer, size_t count, int flags)
{
    (void)flags;
    return so_write(userdata, fd, buffer, count);
}

static ssize_t so_sendto(void *userdata, int fd, const void *buffer, size_t count, int flags,
                         const struct sockaddr *address, socklen_t length)
{
    (void)flags;
    (void)address;
    (void)length;
    return so_write(userdata, fd, buffer, count);
}

static ssize_t so_sendmsg(void *userdata, int fd, const struct msghdr *message, int flags)
{
    (void)flags;
    return so_writev(userdata, fd, message->msg_iov, (int)message->msg_iovlen);
}

static int so_fcntl(void *userdata, int fd, int command, ...)
{
    va_list arguments;
    (void)userdata;
    if (enter(fd) == NULL) {
        leave();
        return fail(EBADF);
    }
    int result = 0;
    if (command == F_SETFL) {
        va_start(arguments, command);
        nonblocking[fd] = (va_arg(arguments, int) & O_NONBLOCK) != 0;
        va_end(arguments);
    } else if (command == F_GETFL) {
        result = O_RDWR | (nonblocking[fd] ? O_NONBLOCK : 0);
    }
    leave();
    return result;
}

static int so_ioctl(void *userdata, int fd, unsigned long request, ...)
{
    (void)userdata;
    (void)fd;
    (void)request;
    return fail(ENOTTY);
}

static int so_close(void *userdata, int fd)
{
    struct net_socket *socket = enter(fd);
    (void)userdata;
    if (socket != NULL) {
        net_socket_close(socket);
        sockets[fd] = NULL;
        close(fd);
    }
    leave();
    return socket != NULL ? 0 : fail(EBADF);
}

static int so_shutdown(void *userdata, int fd, int how)
{
    static const uint32_t bits[3] = {NET_SHUTDOWN_READ_BIT, NET_SHUTDOWN_WRITE_BIT,
                                     NET_SHUTDOWN_READ_BIT | NET_SHUTDOWN_WRITE_BIT};
    struct net_socket *socket = enter(fd);
    enum err error = ERR_INVAL;
    (void)userdata;
    if (socket != NULL && how >= 0 && how < 3) {
        error = net_socket_shutdown(socket, bits[how]);
    }
    leave();
    return error == ERR_OK ? 0 : fail_with(error);
}

/* Our option and the factor between the caller's unit and ours; -1: not one we have. */
static int option_of(int level, int name)
{
    static const struct {
        int level;
        int name;
        enum net_socket_option option;
    } table[] = {
        {SOL_SOCKET, SO_REUSEADDR, NET_OPTION_REUSE_ADDRESS},
        {SOL_SOCKET, SO_ERROR, NET_OPTION_ERROR},
        {SOL_SOCKET, SO_SNDBUF, NET_OPTION_SEND_BUFFER},
        {SOL_SOCKET, SO_RCVBUF, NET_OPTION_RECEIVE_BUFFER},
        {SOL_SOCKET, SO_KEEPALIVE, NET_OPTION_KEEP_ALIVE},
        {SOL_SOCKET, SO_RCVLOWAT, NET_OPTION_RECEIVE_LOW},
        {IPPROTO_TCP, TCP_NODELAY, NET_OPTION_NO_DELAY},
        {IPPROTO_TCP, TCP_KEEPIDLE, NET_OPTION_KEEP_IDLE},
        {IPPROTO_TCP, TCP_KEEPINTVL, NET_OPTION_KEEP_INTERVAL},
        {IPPROTO_TCP, TCP_KEEPCNT, NET_OPTION_KEEP_COUNT},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, NET_OPTION_USER_TIMEOUT},
        {IPPROTO_TCP, TCP_MAXSEG, NET_OPTION_SEGMENT_BYTES},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].level == level && table[i].name == name) {
            return (int)table[i].option;
        }
    }
    return -1;
}

static int so_getsockopt(void *userdata, int fd, int level, int name, void *value,
                         socklen_t *length)
{
    struct net_socket *socket = enter(fd);
    int option = option_of(level, name);
    int64_t got = 0;
    enum err error = ERR_NOPROTOOPT;
    (void)userdata;
    if (socket != NULL && level == IPPROTO_TCP && name == TCP_INFO) {
        wire_tcp_info(socket, value, *length);
        leave();
        return 0;
    }
    if (socket != NULL && option >= 0 && *length >= sizeof(int)) {
        error = net_socket_get_option(socket, (enum net_socket_option)option, &got);
    }
    leave();
    if (error != ERR_OK) {
        return fail_with(error);
    }
    int result = (int)got;
    if (name == SO_ERROR && level == SOL_SOCKET && got != ERR_OK) {
        fail_with((enum err)got);
        result = errno;
    }
    memcpy(value, &result, sizeof(result));
    *length = sizeof(result);
    return 0;
}

/*
 * Scripts' %{ }% parts ask the C library, not struct packetdrill_interface: run_packetdrill.py
 * preloads this object, so that they ask here.
 */
int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    if (socket_of(fd) == NULL) {
        return (int)syscall(SYS_getsockopt, fd, level, name, value, length);
    }
    if ((level == IPPROTO_TCP && name == TCP_CC_INFO) ||
        (level == SOL_SOCKET && name == SO_MEMINFO)) {
        memset(value, 0, *length); /* nothing to tell */
        return 0;
    }
    return so_getsockopt(NULL, fd, level, name, value, length);
}

static int so_setsockopt(void *userdata, int fd, int level, int name, const void *value,
                         socklen_t length)
{
    struct net_socket *socket = enter(fd);
    int option = option_of(level, name);
    int64_t wanted = 0;
    enum err error = ERR_NOPROTOOPT;
    int number;
    (void)userdata;
    if (length >= sizeof(number)) {
        memcpy(&number, value, sizeof(number));
        wanted = number;
    }
    if (level == SOL_SOCKET && name == SO_LINGER && length >= sizeof(struct linger)) {
        struct linger linger;
        memcpy(&linger, value, sizeof(linger));
        option = NET_OPTION_LINGER;
        wanted = linger.l_onoff ? linger.l_linger : -1;
    }
    /* Linux doubles, for its own overhead (socket(7)), and its scripts expect it. */
    if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF)) {
        wanted *= 2;
    }
    if (socket != NULL && option >= 0) {
        error = net_socket_set_option(socket, (enum net_socket_option)option, wanted);
    }
    leave();
    return error == ERR_OK ? 0 : fail_with(error);
}

static int so_poll(void *userdata, struct pollfd *fds, nfds_t count, int timeout)
{
    (void)userdata;
    enter(-1);
    for (;;) {
        int ready = 0;
        for (nfds_t i = 0; i < count; i++) {
            struct net_socket *socket = socket_of(fds[i].fd);
            uint32_t events = socket != NULL ? net_socket_events(socket) : 0;
            short got = socket == NULL ? POLLNVAL : 0;
            if ((events & NET_EVENT_READABLE_BIT) != 0) {
                got |= POLLIN;
            }
            if ((events & NET_EVENT_WRITABLE_BIT) != 0) {
                got |= POLLOUT;
            }
            if ((events & NET_EVENT_ERROR_BIT) != 0) {
                got |= POLLERR;
            }
            if ((events & NET_EVENT_HANGUP_BIT) != 0) {
                got |= POLLHUP;
            }
            if ((events & NET_EVENT_PEER_CLOSED_BIT) != 0) {
                got |= POLLRDHUP;
            }
            fds[i].revents = (short)(got & (fds[i].events | POLLERR | POLLHUP | POLLNVAL));
            ready += fds[i].revents != 0;
        }
        if (ready > 0 || timeout == 0) {
            leave();
            return ready;
        }
        wire_block();
    }
}

static int so_epoll_create(void *userdata, int size)
{
    (void)userdata;
    (void)size;
    return fail(ENOSYS);
}

static int so_pipe(void *userdata, int pipefd[2])
{
    (void)userdata;
    (void)pipefd;
    return fail(ENOSYS);
}

static void so_free(void *userdata)
{
    (void)userdata;
}

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *interface)
{
    (void)flags;
    wire_create();
    *interface = (struct packetdrill_interface){
        .free = so_free,
        .socket = so_socket,
        .bind = so_bind,
        .listen = so_listen,
        .accept = so_accept,
        .connect = so_connect,
        .read = so_read,
        .readv = so_readv,
        .recv = so_recv,
        .recvfrom = so_recvfrom,
        .recvmsg = so_recvmsg,
        .write = so_write,
        .writev = so_writev,
        .send = so_send,
        .sendto = so_sendto,
        .sendmsg = so_sendmsg,
        .fcntl = so_fcntl,
        .ioctl = so_ioctl,
        .close = so_close,
        .shutdown = so_shutdown,
        .getsockopt = so_getsockopt,
        .setsockopt = so_setsockopt,
        .poll = so_poll,
        .netdev_send = wire_send,
        .netdev_receive = wire_receive,
        .epoll_create = so_epoll_create,
        .pipe = so_pipe,
        .usleep = wire_usleep,
        .gettimeofday = wire_gettimeofday,
    };
}
