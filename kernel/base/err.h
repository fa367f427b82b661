/*
 * The error codes of every fallible kernel function.
 *
 * One name per POSIX-like condition; wasi/errno.c alone maps them to WASI
 * errno numbers. Functions that can fail return `enum err`, are marked
 * WARN_UNUSED, and hand results back through their last parameters.
 * Usable everywhere, hosted builds included; any context.
 */
#pragma once

#define WARN_UNUSED __attribute__((warn_unused_result))

enum err {
    ERR_OK = 0,
    ERR_2BIG,           /* Argument list too long. */
    ERR_ACCES,          /* Permission denied. */
    ERR_ADDRINUSE,      /* Address in use. */
    ERR_ADDRNOTAVAIL,   /* Address not available. */
    ERR_AFNOSUPPORT,    /* Address family not supported. */
    ERR_AGAIN,          /* Nothing to do now; try again when ready. */
    ERR_ALREADY,        /* Connection already in progress. */
    ERR_BADF,           /* Bad descriptor. */
    ERR_BUSY,           /* Device or resource busy. */
    ERR_CONNABORTED,    /* Connection aborted. */
    ERR_CONNREFUSED,    /* Connection refused. */
    ERR_CONNRESET,      /* Connection reset by the peer. */
    ERR_DESTADDRREQ,    /* Destination address required. */
    ERR_EXIST,          /* File exists. */
    ERR_FAULT,          /* Bad guest address. */
    ERR_FBIG,           /* File too large. */
    ERR_HOSTUNREACH,    /* Host unreachable. */
    ERR_ILSEQ,          /* Illegal byte sequence. */
    ERR_INPROGRESS,     /* Operation in progress. */
    ERR_INTR,           /* Interrupted. */
    ERR_INVAL,          /* Invalid argument. */
    ERR_IO,             /* I/O error. */
    ERR_ISCONN,         /* Socket is connected. */
    ERR_ISDIR,          /* Is a directory. */
    ERR_LOOP,           /* Too many symbolic links. */
    ERR_MFILE,          /* Descriptor table full. */
    ERR_MLINK,          /* Too many links. */
    ERR_MSGSIZE,        /* Message too large. */
    ERR_NAMETOOLONG,    /* File name too long. */
    ERR_NETDOWN,        /* Network is down. */
    ERR_NETUNREACH,     /* Network unreachable. */
    ERR_NOBUFS,         /* No buffer space. */
    ERR_NODEV,          /* No such device. */
    ERR_NOENT,          /* No such file or directory. */
    ERR_NOMEM,          /* Out of memory. */
    ERR_NOPROTOOPT,     /* Protocol option not available. */
    ERR_NOSPC,          /* No space left on device. */
    ERR_NOSYS,          /* Function not supported. */
    ERR_NOTCAPABLE,     /* The descriptor's rights do not allow it. */
    ERR_NOTCONN,        /* Socket is not connected. */
    ERR_NOTDIR,         /* Not a directory. */
    ERR_NOTEMPTY,       /* Directory not empty. */
    ERR_NOTSOCK,        /* Not a socket. */
    ERR_NOTSUP,         /* Not supported here. */
    ERR_NXIO,           /* No such device or address. */
    ERR_OVERFLOW,       /* Value too large. */
    ERR_PERM,           /* Operation not permitted. */
    ERR_PIPE,           /* Broken pipe. */
    ERR_PROTO,          /* Protocol or device error. */
    ERR_PROTONOSUPPORT, /* Protocol not supported. */
    ERR_RANGE,          /* Result out of range. */
    ERR_ROFS,           /* Read-only file system. */
    ERR_SPIPE,          /* Not seekable. */
    ERR_TIMEDOUT,       /* Timed out. */
    ERR_XDEV,           /* Cross-device link. */
    /* Name resolution (WasmEdge socket extension, EAI_*). */
    ERR_AI_AGAIN,
    ERR_AI_BADFLAGS,
    ERR_AI_FAIL,
    ERR_AI_FAMILY,
    ERR_AI_MEMORY,
    ERR_AI_NONAME,
    ERR_AI_SERVICE,
    ERR_AI_SOCKTYPE,
    ERR_COUNT
};
