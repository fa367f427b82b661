/*
 * The functions behind imports.def, as the import thunks call them.
 *
 * All of them run in normal kernel context, called by the guest through
 * kernel/x86/wasm_entry.S, one at a time. i32 parameters are uint32_t, i64 uint64_t; guest
 * addresses come as plain numbers and are wrapped at once. Results are WASI errno numbers.
 */
#pragma once

#include <stdint.h>

/* process.c */
uint32_t wasi_args_get(uint32_t argv, uint32_t argv_buf);
uint32_t wasi_args_sizes_get(uint32_t argc, uint32_t argv_buf_size);
uint32_t wasi_environ_get(uint32_t environ, uint32_t environ_buf);
uint32_t wasi_environ_sizes_get(uint32_t count, uint32_t buf_size);
_Noreturn void wasi_proc_exit(uint32_t code);
uint32_t wasi_proc_raise(uint32_t signal);
uint32_t wasi_sched_yield(void);
uint32_t wasi_random_get(uint32_t buf, uint32_t size_bytes);

/* clock.c */
uint32_t wasi_clock_res_get(uint32_t id, uint32_t resolution);
uint32_t wasi_clock_time_get(uint32_t id, uint64_t precision, uint32_t time);

/* fd.c */
uint32_t wasi_fd_advise(uint32_t fd, uint64_t offset, uint64_t length, uint32_t advice);
uint32_t wasi_fd_close(uint32_t fd);
uint32_t wasi_fd_datasync(uint32_t fd);
uint32_t wasi_fd_sync(uint32_t fd);
uint32_t wasi_fd_fdstat_get(uint32_t fd, uint32_t out);
uint32_t wasi_fd_fdstat_set_flags(uint32_t fd, uint32_t flags);
uint32_t wasi_fd_fdstat_set_rights(uint32_t fd, uint64_t base, uint64_t inheriting);
uint32_t wasi_fd_prestat_get(uint32_t fd, uint32_t out);
uint32_t wasi_fd_prestat_dir_name(uint32_t fd, uint32_t path, uint32_t path_bytes);
uint32_t wasi_fd_renumber(uint32_t from, uint32_t to);

/* fd_io.c */
uint32_t wasi_fd_read(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t nread);
uint32_t wasi_fd_write(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t nwritten);
uint32_t wasi_fd_pread(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint64_t offset,
                       uint32_t nread);
uint32_t wasi_fd_pwrite(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint64_t offset,
                        uint32_t nwritten);
uint32_t wasi_fd_seek(uint32_t fd, uint64_t offset, uint32_t whence, uint32_t new_offset);
uint32_t wasi_fd_tell(uint32_t fd, uint32_t offset);

/* fd_stat.c */
uint32_t wasi_fd_allocate(uint32_t fd, uint64_t offset, uint64_t length);
uint32_t wasi_fd_filestat_get(uint32_t fd, uint32_t out);
uint32_t wasi_fd_filestat_set_size(uint32_t fd, uint64_t size_bytes);
uint32_t wasi_fd_filestat_set_times(uint32_t fd, uint64_t atim, uint64_t mtim, uint32_t flags);

/* readdir.c */
uint32_t wasi_fd_readdir(uint32_t fd, uint32_t buf, uint32_t buf_bytes, uint64_t cookie,
                         uint32_t used);

/* path.c, path_stat.c */
uint32_t wasi_path_open(uint32_t fd, uint32_t lookup, uint32_t path, uint32_t path_bytes,
                        uint32_t oflags, uint64_t base, uint64_t inheriting, uint32_t fdflags,
                        uint32_t out);
uint32_t wasi_path_create_directory(uint32_t fd, uint32_t path, uint32_t path_bytes);
uint32_t wasi_path_remove_directory(uint32_t fd, uint32_t path, uint32_t path_bytes);
uint32_t wasi_path_unlink_file(uint32_t fd, uint32_t path, uint32_t path_bytes);
uint32_t wasi_path_link(uint32_t old_fd, uint32_t lookup, uint32_t old_path,
                        uint32_t old_path_bytes, uint32_t new_fd, uint32_t new_path,
                        uint32_t new_path_bytes);
uint32_t wasi_path_rename(uint32_t old_fd, uint32_t old_path, uint32_t old_path_bytes,
                          uint32_t new_fd, uint32_t new_path, uint32_t new_path_bytes);
uint32_t wasi_path_symlink(uint32_t target, uint32_t target_bytes, uint32_t fd, uint32_t path,
                           uint32_t path_bytes);
uint32_t wasi_path_readlink(uint32_t fd, uint32_t path, uint32_t path_bytes, uint32_t buf,
                            uint32_t buf_bytes, uint32_t used);
uint32_t wasi_path_filestat_get(uint32_t fd, uint32_t lookup, uint32_t path, uint32_t path_bytes,
                                uint32_t out);
uint32_t wasi_path_filestat_set_times(uint32_t fd, uint32_t lookup, uint32_t path,
                                      uint32_t path_bytes, uint64_t atim, uint64_t mtim,
                                      uint32_t flags);

/* poll.c */
uint32_t wasi_poll_oneoff(uint32_t in, uint32_t out, uint32_t count, uint32_t nevents);

/* sock.c */
uint32_t wasi_sock_accept(uint32_t fd, uint32_t flags, uint32_t out);
uint32_t wasi_sock_recv(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t flags,
                        uint32_t nread, uint32_t roflags);
uint32_t wasi_sock_send(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t flags,
                        uint32_t nwritten);
uint32_t wasi_sock_shutdown(uint32_t fd, uint32_t how);

/* sock_wasmedge.c, sock_resolve.c: the WasmEdge extension */
uint32_t wasi_edge_sock_open(uint32_t family, uint32_t type, uint32_t out);
uint32_t wasi_edge_sock_bind(uint32_t fd, uint32_t address, uint32_t port);
uint32_t wasi_edge_sock_connect(uint32_t fd, uint32_t address, uint32_t port);
uint32_t wasi_edge_sock_listen(uint32_t fd, uint32_t backlog);
uint32_t wasi_edge_sock_accept_v1(uint32_t fd, uint32_t out);
uint32_t wasi_edge_sock_recv_from_v1(uint32_t fd, uint32_t iovs, uint32_t iov_count,
                                     uint32_t address, uint32_t flags, uint32_t nread,
                                     uint32_t roflags);
uint32_t wasi_edge_sock_recv_from_v2(uint32_t fd, uint32_t iovs, uint32_t iov_count,
                                     uint32_t address, uint32_t flags, uint32_t port,
                                     uint32_t nread, uint32_t roflags);
uint32_t wasi_edge_sock_send_to(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t address,
                                uint32_t port, uint32_t flags, uint32_t nwritten);
uint32_t wasi_edge_sock_getlocaladdr_v1(uint32_t fd, uint32_t address, uint32_t type,
                                        uint32_t port);
uint32_t wasi_edge_sock_getlocaladdr_v2(uint32_t fd, uint32_t address, uint32_t port);
uint32_t wasi_edge_sock_getpeeraddr_v1(uint32_t fd, uint32_t address, uint32_t type, uint32_t port);
uint32_t wasi_edge_sock_getpeeraddr_v2(uint32_t fd, uint32_t address, uint32_t port);
uint32_t wasi_edge_sock_getsockopt(uint32_t fd, uint32_t level, uint32_t name, uint32_t value,
                                   uint32_t length);
uint32_t wasi_edge_sock_setsockopt(uint32_t fd, uint32_t level, uint32_t name, uint32_t value,
                                   uint32_t length);
uint32_t wasi_edge_sock_getaddrinfo(uint32_t node, uint32_t node_bytes, uint32_t service,
                                    uint32_t service_bytes, uint32_t hints, uint32_t results,
                                    uint32_t max_count, uint32_t result_count);
uint32_t wasi_edge_epoll_oneoff(uint32_t in, uint32_t out, uint32_t count, uint32_t nevents);

/* unstable.c: where snapshot 0 differs */
uint32_t wasi_unstable_fd_filestat_get(uint32_t fd, uint32_t out);
uint32_t wasi_unstable_path_filestat_get(uint32_t fd, uint32_t lookup, uint32_t path,
                                         uint32_t path_bytes, uint32_t out);
uint32_t wasi_unstable_fd_seek(uint32_t fd, uint64_t offset, uint32_t whence, uint32_t new_offset);
uint32_t wasi_unstable_poll_oneoff(uint32_t in, uint32_t out, uint32_t count, uint32_t nevents);
