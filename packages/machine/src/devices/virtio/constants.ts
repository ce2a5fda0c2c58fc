/** Numbers of the Virtual I/O Device specification, version 1.2. */

/** Device types (section 5). */
export const VIRTIO_ID_BLOCK = 2;
export const VIRTIO_ID_CONSOLE = 3;
export const VIRTIO_ID_ENTROPY = 4;
export const VIRTIO_ID_GPU = 16;
export const VIRTIO_ID_INPUT = 18;

/** Device status (section 2.1). */
export const STATUS_DRIVER_OK = 4;
export const STATUS_FEATURES_OK = 8;
export const STATUS_NEEDS_RESET = 64;

/** Feature bits of every device (section 6). */
export const F_INDIRECT_DESC = 28;
export const F_EVENT_IDX = 29;
export const F_VERSION_1 = 32;

/** Descriptor flags (section 2.7.5). */
export const DESC_NEXT = 1;
export const DESC_WRITE = 2;
export const DESC_INDIRECT = 4;
export const DESC_SIZE = 16;

/** Available ring flag: the driver wants no interrupts (section 2.7.6). */
export const AVAIL_NO_INTERRUPT = 1;

/** A set of feature bits as one number. */
export function featureSet(...bits: readonly number[]): bigint {
  return bits.reduce((set, bit) => set | (1n << BigInt(bit)), 0n);
}
