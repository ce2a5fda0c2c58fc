// Numbers of PCI that several files need: PCI local bus specification 3.0, PCI Express base specification.

/** Devices of a bus. */
export const PCI_DEVICES = 32;
/** Interrupt pins of a device, INTA# to INTD#, which are 1 to 4. */
export const PCI_PINS = 4;

/** Configuration space in memory (ECAM): bytes of a function, and of a bus. */
export const ECAM_FUNCTION_SIZE = 0x1000;
export const ECAM_BUS_SIZE = 0x10_0000;

/** The command register of all functions, and bits of it: may be reached by ports and in memory, may access memory. */
export const COMMAND = 0x04;
export const COMMAND_PORTS = 0x0001;
export const COMMAND_MEMORY = 0x0002;
export const COMMAND_MASTER = 0x0004;
