//! The opcodes that Python writes in protocols 4 and 5. Those of older protocols alone are not among them.

/// The byte and the name of each opcode, as Python's `pickletools` gives it.
macro_rules! opcodes {
    ($($name:ident = $byte:literal,)*) => {
        $(pub(super) const $name: u8 = $byte;)*

        /// An opcode's name.
        pub(super) fn name(byte: u8) -> Option<&'static str> {
            match byte {
                $($byte => Some(stringify!($name)),)*
                _ => None,
            }
        }
    };
}

opcodes! {
    PROTO = 0x80,
    FRAME = 0x95,
    STOP = b'.',
    // Numbers and the like.
    NONE = b'N',
    NEWTRUE = 0x88,
    NEWFALSE = 0x89,
    BININT = b'J',
    BININT1 = b'K',
    BININT2 = b'M',
    LONG1 = 0x8a,
    LONG4 = 0x8b,
    BINFLOAT = b'G',
    // Strings, and strings of bytes.
    SHORT_BINUNICODE = 0x8c,
    BINUNICODE = b'X',
    BINUNICODE8 = 0x8d,
    SHORT_BINBYTES = b'C',
    BINBYTES = b'B',
    BINBYTES8 = 0x8e,
    BYTEARRAY8 = 0x96,
    NEXT_BUFFER = 0x97,
    READONLY_BUFFER = 0x98,
    // Collections.
    EMPTY_LIST = b']',
    APPEND = b'a',
    APPENDS = b'e',
    EMPTY_TUPLE = b')',
    TUPLE = b't',
    TUPLE1 = 0x85,
    TUPLE2 = 0x86,
    TUPLE3 = 0x87,
    EMPTY_DICT = b'}',
    SETITEM = b's',
    SETITEMS = b'u',
    EMPTY_SET = 0x8f,
    ADDITEMS = 0x90,
    FROZENSET = 0x91,
    // The stack and the memo.
    POP = b'0',
    MARK = b'(',
    POP_MARK = b'1',
    BINGET = b'h',
    LONG_BINGET = b'j',
    MEMOIZE = 0x94,
    // Objects.
    EXT1 = 0x82,
    EXT2 = 0x83,
    EXT4 = 0x84,
    STACK_GLOBAL = 0x93,
    REDUCE = b'R',
    BUILD = b'b',
    NEWOBJ = 0x81,
    NEWOBJ_EX = 0x92,
    BINPERSID = b'Q',
}
