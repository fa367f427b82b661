#include "fs/p9/p9_errno.h"

/* Linux's include/uapi/asm-generic/errno-base.h and errno.h. */
static const struct {
    uint8_t number;
    uint8_t err;
} table[] = {
    {1, ERR_PERM},       {2, ERR_NOENT},        {4, ERR_INTR},    {5, ERR_IO},
    {6, ERR_NXIO},       {7, ERR_2BIG},         {9, ERR_BADF},    {11, ERR_AGAIN},
    {12, ERR_NOMEM},     {13, ERR_ACCES},       {16, ERR_BUSY},   {17, ERR_EXIST},
    {18, ERR_XDEV},      {19, ERR_NODEV},       {20, ERR_NOTDIR}, {21, ERR_ISDIR},
    {22, ERR_INVAL},     {23, ERR_MFILE},       {24, ERR_MFILE},  {26, ERR_BUSY},
    {27, ERR_FBIG},      {28, ERR_NOSPC},       {30, ERR_ROFS},   {31, ERR_MLINK},
    {34, ERR_RANGE},     {36, ERR_NAMETOOLONG}, {38, ERR_NOSYS},  {39, ERR_NOTEMPTY},
    {40, ERR_LOOP},      {75, ERR_OVERFLOW},    {84, ERR_ILSEQ},  {95, ERR_NOTSUP},
    {110, ERR_TIMEDOUT}, {116, ERR_NOENT},      {122, ERR_NOSPC},
};
_Static_assert(ERR_COUNT <= UINT8_MAX, "an error fits a byte");

enum err p9_errno(uint32_t number)
{
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].number == number) {
            return (enum err)table[i].err;
        }
    }
    return ERR_IO;
}
