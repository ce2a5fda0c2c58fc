import type { VirtAddr } from "./address.js";
import { PagingError } from "./error.js";
import type { PageTableFormat } from "./format.js";

/**
 * The addresses a format translates. Inside this package an input address is a page number: the input bits from bit 12
 * on as a plain number (at most 47 bits), without the sign extension above them.
 */
export class InputAddresses {
  /** Page numbers are below this. */
  readonly pageLimit: number;
  private readonly format: PageTableFormat;
  private readonly numberLimit: number;

  constructor(format: PageTableFormat) {
    this.format = format;
    this.pageLimit = 2 ** (format.inputBits - 12);
    this.numberLimit = format.addressRule === "sign" ? this.pageLimit / 2 : this.pageLimit;
  }

  /** The page number of an address. Throws OutOfRange. */
  pageOf(address: VirtAddr): number {
    if (typeof address === "bigint") return this.pageOfBigint(address);
    const page = Math.floor(address / 4096);
    if (Number.isSafeInteger(address) && address >= 0 && page < this.numberLimit) return page;
    throw this.outOfRange(address);
  }

  /** The first address of a page, sign-extended where the format says so. */
  addressOf(page: number): bigint {
    const address = BigInt(page) << 12n;
    if (this.format.addressRule !== "sign") return address;
    return BigInt.asUintN(64, BigInt.asIntN(this.format.inputBits, address));
  }

  /** The first address of a page if it has one as a number, else NaN. */
  numberOf(page: number): number {
    return page < this.numberLimit ? page * 4096 : Number.NaN;
  }

  /** The page numbers from `page` on whose addresses lie next to each other end before this one. */
  endOfSpan(page: number): number {
    return page < this.numberLimit ? this.numberLimit : this.pageLimit;
  }

  outOfRange(address: VirtAddr): PagingError {
    const { name, inputBits, addressRule } = this.format;
    const rule = { sign: "sign-extended", zero: "zero-extended", "zero-or-one": "extended by zeros or ones" };
    const range = `${name} takes ${inputBits}-bit addresses, ${rule[addressRule]}`;
    return new PagingError("OutOfRange", `address ${hex(address)} is out of range: ${range}`);
  }

  private pageOfBigint(address: bigint): number {
    const { inputBits, addressRule } = this.format;
    const inside = BigInt.asUintN(inputBits, address);
    const page = Number(inside >> 12n);
    if (address === inside && page < this.numberLimit) return page;
    const signExtended = BigInt.asUintN(64, BigInt.asIntN(inputBits, address));
    if (addressRule === "sign" && address === signExtended) return page;
    const onesAbove = BigInt.asUintN(64, inside | (-1n << BigInt(inputBits)));
    if (addressRule === "zero-or-one" && address === onesAbove) return page;
    throw this.outOfRange(address);
  }
}

/** The bytes of an address within its 4 KiB page. */
export function pageOffset(address: VirtAddr): number {
  return typeof address === "bigint" ? Number(address & 0xfffn) : address & 0xfff;
}

/** An address for messages. */
export function hex(address: VirtAddr): string {
  return Number.isInteger(address) || typeof address === "bigint"
    ? `0x${address.toString(16)}`
    : `${address}`;
}
