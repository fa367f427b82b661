"""How many pages a running machine has left, read from the kernel's own counters.

The page allocator's variable is found by the image's symbols and debug information and read
through QMP, so that the kernel needs no code for it. Kernel heap, network buffers and the
application's memory all come from these pages.
"""
import re
import subprocess

DWARFDUMP = "llvm-dwarfdump-19"


def dwarf(image, *options):
    return subprocess.run([DWARFDUMP, *options, image], capture_output=True, text=True,
                          check=True).stdout


class PageCounter:
    def __init__(self, image):
        variable = re.search(r'DW_AT_name\s+\("pages"\)\s+DW_AT_type\s+\((0x[0-9a-f]+)[^\n]*\s+'
                             r'DW_AT_decl_file\s+\("[^"]*kernel/pages\.c"\)',
                             dwarf(image, "--name=pages"))
        members = dwarf(image, f"--debug-info={variable.group(1)}", "--show-children")
        self.offsets = {name: int(offset, 16) for name, offset in re.findall(
            r'DW_AT_name\s+\("(\w+)"\).*?DW_AT_data_member_location\s+\((0x[0-9a-f]+)\)',
            members, re.DOTALL)}
        symbols = subprocess.run(["nm", image], capture_output=True, text=True, check=True).stdout
        self.address = int(re.search(r"^([0-9a-f]+) b pages$", symbols, re.MULTILINE).group(1), 16)

    def free(self, monitor):
        """Pages that can still be given out."""
        count, reserved = (monitor.word(self.address + self.offsets[name])
                           for name in ("free_count", "reserved_count"))
        return count - reserved
