/* preview 1 witx, typename $errno; 77 to 87 are WasmEdge's EAI errors. */
#include "wasi/errno.h"

static const uint8_t numbers[ERR_COUNT] = {
    [ERR_OK] = 0,           [ERR_2BIG] = 1,         [ERR_ACCES] = 2,
    [ERR_ADDRINUSE] = 3,    [ERR_ADDRNOTAVAIL] = 4, [ERR_AFNOSUPPORT] = 5,
    [ERR_AGAIN] = 6,        [ERR_ALREADY] = 7,      [ERR_BADF] = 8,
    [ERR_BUSY] = 10,        [ERR_CONNABORTED] = 13, [ERR_CONNREFUSED] = 14,
    [ERR_CONNRESET] = 15,   [ERR_DESTADDRREQ] = 17, [ERR_EXIST] = 20,
    [ERR_FAULT] = 21,       [ERR_FBIG] = 22,        [ERR_HOSTUNREACH] = 23,
    [ERR_ILSEQ] = 25,       [ERR_INPROGRESS] = 26,  [ERR_INTR] = 27,
    [ERR_INVAL] = 28,       [ERR_IO] = 29,          [ERR_ISCONN] = 30,
    [ERR_ISDIR] = 31,       [ERR_LOOP] = 32,        [ERR_MFILE] = 33,
    [ERR_MLINK] = 34,       [ERR_MSGSIZE] = 35,     [ERR_NAMETOOLONG] = 37,
    [ERR_NETDOWN] = 38,     [ERR_NETUNREACH] = 40,  [ERR_NOBUFS] = 42,
    [ERR_NODEV] = 43,       [ERR_NOENT] = 44,       [ERR_NOMEM] = 48,
    [ERR_NOPROTOOPT] = 50,  [ERR_NOSPC] = 51,       [ERR_NOSYS] = 52,
    [ERR_NOTCAPABLE] = 76,  [ERR_NOTCONN] = 53,     [ERR_NOTDIR] = 54,
    [ERR_NOTEMPTY] = 55,    [ERR_NOTSOCK] = 57,     [ERR_NOTSUP] = 58,
    [ERR_NXIO] = 60,        [ERR_OVERFLOW] = 61,    [ERR_PERM] = 63,
    [ERR_PIPE] = 64,        [ERR_PROTO] = 65,       [ERR_PROTONOSUPPORT] = 66,
    [ERR_RANGE] = 68,       [ERR_ROFS] = 69,        [ERR_SPIPE] = 70,
    [ERR_TIMEDOUT] = 73,    [ERR_XDEV] = 75,        [ERR_AI_AGAIN] = 78,
    [ERR_AI_BADFLAGS] = 79, [ERR_AI_FAIL] = 80,     [ERR_AI_FAMILY] = 81,
    [ERR_AI_MEMORY] = 82,   [ERR_AI_NONAME] = 84,   [ERR_AI_SERVICE] = 85,
    [ERR_AI_SOCKTYPE] = 86,
};

#define WASI_EIO 29u

uint32_t wasi_errno_of(enum err error)
{
    if (error == ERR_OK) {
        return 0;
    }
    if ((unsigned)error >= ERR_COUNT || numbers[error] == 0) {
        return WASI_EIO;
    }
    return numbers[error];
}
