"""Run by Python inside the machine: json, sha256, files, exceptions, recursion, big numbers."""
import hashlib
import json
import os
import re


def ackermann(m, n):
    if m == 0:
        return n + 1
    return ackermann(m - 1, 1 if n == 0 else ackermann(m, n - 1))


print(json.dumps(json.loads('{"b": [1, 2.5, null, "\\u00fc"], "a": {}}'), sort_keys=True))
print(hashlib.sha256(b"wafer" * 1000).hexdigest())
with open("/tmp/note.txt", "w", encoding="utf-8") as file:
    file.write("grüße\n" * 1000)
os.makedirs("/tmp/a/b")
os.rename("/tmp/note.txt", "/tmp/a/b/moved.txt")
with open("/tmp/a/b/moved.txt", encoding="utf-8") as file:
    print(len(file.read()), os.stat("/tmp/a/b/moved.txt").st_size, os.listdir("/tmp/a"))
try:
    open("/none")
except FileNotFoundError as error:
    print(error.errno, error.filename)
print(ackermann(2, 9), 2 ** 200, re.findall(r"\b\w{5}\b", "three short words found"))


def forever(depth):
    return forever(depth + 1)


try:
    forever(0)
except RecursionError as error:
    print(type(error).__name__)
