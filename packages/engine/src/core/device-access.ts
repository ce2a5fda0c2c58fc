/** A physical address at which there is nothing. */
export const NOWHERE = -8;

/** The physical bus as a CPU uses it. Widths are bytes; values are unsigned. */
export interface DeviceBus {
  /** -1: nothing there that holds the whole access. */
  read(physical: number, width: 1 | 2 | 4): number;
  /** False: nothing there that holds the whole access. */
  write(physical: number, width: 1 | 2 | 4, value: number): boolean;
}

/**
 * Loads and stores of devices. They must be naturally aligned; 8 bytes are two accesses of 4, the low half
 * first.
 */
export class DeviceAccess {
  /** Value of the last `read`, zero-extended. */
  lo = 0;
  hi = 0;
  private readonly bus: DeviceBus;

  constructor(bus: DeviceBus) {
    this.bus = bus;
  }

  /** False is an access fault. */
  read(physical: number, size: number): boolean {
    if (physical % size !== 0) return false;
    const width = size === 8 ? 4 : (size as 1 | 2 | 4);
    const low = this.bus.read(physical, width);
    if (low < 0) return false;
    let high = 0;
    if (size === 8) {
      high = this.bus.read(physical + 4, 4);
      if (high < 0) return false;
    }
    this.lo = low | 0;
    this.hi = high | 0;
    return true;
  }

  /** False is an access fault. */
  write(physical: number, size: number, lo: number, hi: number): boolean {
    if (physical % size !== 0) return false;
    if (size === 8) return this.bus.write(physical, 4, lo >>> 0) && this.bus.write(physical + 4, 4, hi >>> 0);
    const value = size === 4 ? lo >>> 0 : size === 2 ? lo & 0xffff : lo & 0xff;
    return this.bus.write(physical, size as 1 | 2 | 4, value);
  }

  /**
   * `size` bytes, 1 to 8, in naturally aligned pieces, from the lowest on. What nobody answers reads as ones.
   */
  readPieces(physical: number, size: number): void {
    let value = 0n;
    for (let done = 0; done < size; ) {
      const width = pieceAt(physical + done, size - done);
      const piece = this.bus.read(physical + done, width);
      const bits = piece < 0 ? 2 ** (8 * width) - 1 : piece;
      value |= BigInt(bits >>> 0) << BigInt(8 * done);
      done += width;
    }
    this.lo = Number(BigInt.asIntN(32, value));
    this.hi = Number(BigInt.asIntN(32, value >> 32n));
  }

  /** The same of a store. What nobody takes is lost. */
  writePieces(physical: number, size: number, lo: number, hi: number): void {
    const value = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
    for (let done = 0; done < size; ) {
      const width = pieceAt(physical + done, size - done);
      this.bus.write(physical + done, width, Number(BigInt.asUintN(8 * width, value >> BigInt(8 * done))));
      done += width;
    }
  }
}

/** The widest naturally aligned access at an address within so many bytes. */
export function pieceAt(physical: number, bytes: number): 1 | 2 | 4 {
  if (physical % 4 === 0 && bytes >= 4) return 4;
  return physical % 2 === 0 && bytes >= 2 ? 2 : 1;
}
