/*
 * What packetdrill_so.c (the socket calls) and packetdrill_wire.c (device and virtual time) share.
 * The mutex guards everything, on both of packetdrill's threads.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>
#include <unistd.h>

#include "net/socket.h"
#include "net/stack.h"

extern pthread_mutex_t wire_mutex;
extern struct net_stack *wire_stack;

void wire_create(void);
/* Runs what is due now; the time at which something is due next. With the mutex held. */
uint64_t wire_run(void);
/* Waits, on the thread of blocking calls, until the stack reported something. */
void wire_block(void);
/* Tells the main thread, which waits for blocked calls before time goes on. */
void wire_settled(void);

/* TCP_INFO: fills `size` bytes. With the mutex held. */
void wire_tcp_info(const struct net_socket *socket, void *out, size_t size);

/* Entries of struct packetdrill_interface. */
int wire_send(void *userdata, const void *buf, size_t count);
int wire_receive(void *userdata, void *buf, size_t *count, long long *time_usecs);
int wire_usleep(void *userdata, useconds_t usec);
int wire_gettimeofday(void *userdata, struct timeval *tv, struct timezone *tz);
