"""The opcodes of pickles that Python writes in no protocol from 4 on: only older protocols have them."""

import pickletools

OLD = set(
    "INT LONG STRING BINSTRING SHORT_BINSTRING UNICODE FLOAT LIST DICT DUP GET PUT BINPUT LONG_BINPUT GLOBAL INST OBJ PERSID".split()
)

# Each opcode of protocols 4 and 5 by its byte.
CURRENT = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes if opcode.name not in OLD}
