#include "kernel/x86/acpi.h"

#include <stddef.h>

#include "kernel/base/address.h"
#include "kernel/base/string.h"
#include "kernel/x86/paging.h"

/* ACPI 6.5 §5.2: offsets into the tables. */
#define RSDP_BYTES          20u
#define RSDP_EXTENDED_BYTES 36u
#define RSDP_REVISION       15u
#define RSDP_RSDT           16u
#define RSDP_XSDT           24u
#define TABLE_HEADER_BYTES  36u
#define TABLE_LENGTH        4u
#define FADT_DSDT           40u
#define FADT_PM1A_CONTROL   64u
#define FADT_PM1B_CONTROL   68u
#define FADT_X_DSDT         140u
#define FADT_SLEEP_CONTROL  244u /* generic address: space id, 3 bytes, address at +4 */
#define GAS_ADDRESS         4u
#define GAS_SPACE_PORT      1u
#define TABLE_MAX_BYTES     (4u << 20)
#define TABLES_MAX          64u
#define BIOS_AREA_START     0xe0000u
#define BIOS_AREA_END       0x100000u

static struct power_acpi power;

static const uint8_t *map(uint64_t address, uint64_t size_bytes)
{
    struct mmio window;
    if (address == 0 || mmio_map((struct phys_addr){address}, size_bytes, &window) != ERR_OK) {
        return NULL;
    }
    return (const uint8_t *)(uintptr_t)window.base;
}

static uint32_t read32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t read64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static bool checksum_ok(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < size_bytes; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    return sum == 0;
}

/* A whole table with a good checksum, or NULL. */
static const uint8_t *map_table(uint64_t address, uint32_t *out_bytes)
{
    const uint8_t *header = map(address, TABLE_HEADER_BYTES);
    if (header == NULL) {
        return NULL;
    }
    uint32_t length = read32(header + TABLE_LENGTH);
    if (length < TABLE_HEADER_BYTES || length > TABLE_MAX_BYTES) {
        return NULL;
    }
    const uint8_t *table = map(address, length);
    if (table == NULL || !checksum_ok(table, length)) {
        return NULL;
    }
    *out_bytes = length;
    return table;
}

static bool is_rsdp(const uint8_t *at)
{
    return memcmp(at, "RSD PTR ", 8) == 0 && checksum_ok(at, RSDP_BYTES);
}

static const uint8_t *find_rsdp(uint64_t address)
{
    const uint8_t *given = map(address, RSDP_EXTENDED_BYTES);
    if (given != NULL && is_rsdp(given)) {
        return given;
    }
    const uint8_t *area = map(BIOS_AREA_START, BIOS_AREA_END - BIOS_AREA_START);
    for (uint32_t at = 0;
         area != NULL && at + RSDP_EXTENDED_BYTES <= BIOS_AREA_END - BIOS_AREA_START; at += 16) {
        if (is_rsdp(area + at)) {
            return area + at;
        }
    }
    return NULL;
}

/* The table with this signature, from the list of 32-bit or 64-bit addresses. */
static const uint8_t *find_table(const uint8_t *rsdp, const char *signature, uint32_t *out_bytes)
{
    bool extended = rsdp[RSDP_REVISION] >= 2 && read64(rsdp + RSDP_XSDT) != 0;
    uint32_t list_bytes;
    const uint8_t *list =
        map_table(extended ? read64(rsdp + RSDP_XSDT) : read32(rsdp + RSDP_RSDT), &list_bytes);
    uint32_t entry_bytes = extended ? 8 : 4;
    for (uint32_t at = TABLE_HEADER_BYTES, count = 0;
         list != NULL && list_bytes - at >= entry_bytes && count < TABLES_MAX;
         at += entry_bytes, count++) {
        uint64_t address = extended ? read64(list + at) : read32(list + at);
        const uint8_t *table = map_table(address, out_bytes);
        if (table != NULL && memcmp(table, signature, 4) == 0) {
            return table;
        }
    }
    return NULL;
}

/* An integer of AML (§20.2.3): ZeroOp, OneOp or BytePrefix. */
static const uint8_t *read_aml_byte(const uint8_t *at, const uint8_t *end, uint8_t *out)
{
    if (at < end && *at <= 1) {
        *out = *at;
        return at + 1;
    }
    if (end - at >= 2 && at[0] == 0x0a) {
        *out = at[1];
        return at + 2;
    }
    return NULL;
}

/*
 * Name (\_S5, Package {type a, type b, ...}): found by its bytes, without an interpreter.
 * NameOp 08, optional root prefix, name, PackageOp 12, PkgLength (§20.2.4), element count.
 */
static bool read_s5(const uint8_t *aml, uint32_t size_bytes)
{
    const uint8_t *end = aml + size_bytes;
    for (const uint8_t *at = aml + TABLE_HEADER_BYTES; end - at > 8; at++) {
        if (memcmp(at, "_S5_\x12", 5) != 0) {
            continue;
        }
        at += 5;
        at += 1 + (*at >> 6); /* PkgLength: its first byte says how many follow */
        at += 1;              /* element count */
        if (at >= end) {
            return false;
        }
        at = read_aml_byte(at, end, &power.sleep_type_a);
        if (at == NULL) {
            return false;
        }
        if (read_aml_byte(at, end, &power.sleep_type_b) == NULL) {
            power.sleep_type_b = power.sleep_type_a;
        }
        return true;
    }
    return false;
}

const struct power_acpi *acpi_find_poweroff(uint64_t rsdp_address)
{
    uint32_t fadt_bytes, dsdt_bytes;
    const uint8_t *rsdp = find_rsdp(rsdp_address);
    const uint8_t *fadt = rsdp != NULL ? find_table(rsdp, "FACP", &fadt_bytes) : NULL;
    if (fadt == NULL || fadt_bytes < FADT_PM1B_CONTROL + 4) {
        return NULL;
    }
    uint64_t dsdt_address = read32(fadt + FADT_DSDT);
    if (fadt_bytes >= FADT_X_DSDT + 8 && read64(fadt + FADT_X_DSDT) != 0) {
        dsdt_address = read64(fadt + FADT_X_DSDT);
    }
    const uint8_t *dsdt = map_table(dsdt_address, &dsdt_bytes);
    if (dsdt == NULL || !read_s5(dsdt, dsdt_bytes)) {
        return NULL;
    }
    power.pm1a_control_port = (uint16_t)read32(fadt + FADT_PM1A_CONTROL);
    power.pm1b_control_port = (uint16_t)read32(fadt + FADT_PM1B_CONTROL);
    if (fadt_bytes >= FADT_SLEEP_CONTROL + 12) {
        power.sleep_control_is_port = fadt[FADT_SLEEP_CONTROL] == GAS_SPACE_PORT;
        power.sleep_control_address = read64(fadt + FADT_SLEEP_CONTROL + GAS_ADDRESS);
    }
    return &power;
}
