import type { CoreApi } from "@hypercraft/engine";
import { Register } from "../../../interrupts/local-apic-registers.js";
import { VectorSet } from "../../../interrupts/vector-set.js";
import { highHalf, lowHalf, wide } from "../../wide.js";

const PAGE_WORDS = 1024;
/** Words from a register to the next. */
const STRIDE = 4;

/** The virtual-APIC page of a guest: a page of host memory with registers as a local APIC's. SDM volume 3, 30.1.1. */
export class VirtualApicPage {
  /** Of the page, physical. */
  readonly address: number;
  /** Interrupts requested, and in service: VIRR and VISR. */
  readonly request: VectorSet;
  readonly inService: VectorSet;
  private readonly core: CoreApi;
  private readonly words: Int32Array;
  /** In host memory; -1 where there is no RAM. */
  private readonly offset: number;
  private readonly first: number;

  /** Where there is no RAM, all registers are 0 and what is written is lost with this. */
  constructor(core: CoreApi, address: number) {
    this.core = core;
    this.address = address;
    const offset = core.ramOffset(address, true);
    this.offset = offset;
    this.words = offset < 0 ? new Int32Array(PAGE_WORDS) : core.words;
    this.first = offset < 0 ? 0 : offset / 4;
    const set = (register: number) => new VectorSet(this.words, this.first + STRIDE * register, STRIDE);
    this.request = set(Register.request);
    this.inService = set(Register.inService);
  }

  /** A register by its number (`Register`), 32 bits. */
  get(register: number): number {
    return (this.words[this.first + STRIDE * register] as number) >>> 0;
  }

  set(register: number, value: number): void {
    this.words[this.first + STRIDE * register] = value;
    this.written();
  }

  /** Two words: a register, and what is behind it. */
  getWide(register: number): bigint {
    const high = this.words[this.first + STRIDE * register + 1] as number;
    return wide(this.get(register), high);
  }

  setWide(register: number, value: bigint): void {
    this.words[this.first + STRIDE * register + 1] = highHalf(value);
    this.set(register, lowHalf(value));
  }

  /** Something in it was written by other means than a store. */
  written(): void {
    if (this.offset >= 0) this.core.ramWritten(this.offset, 4 * PAGE_WORDS);
  }
}
