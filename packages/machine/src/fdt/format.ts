/** Numbers of the flattened format, Devicetree Specification v0.4, chapter 5. All fields are big-endian. */
export const FDT_MAGIC = 0xd00dfeed;
export const FDT_VERSION = 17;
/** Oldest version whose readers can read what version 17 writes. */
export const FDT_LAST_COMPATIBLE = 16;
export const FDT_HEADER_SIZE = 40;

export const FDT_BEGIN_NODE = 1;
export const FDT_END_NODE = 2;
export const FDT_PROP = 3;
export const FDT_NOP = 4;
export const FDT_END = 9;
