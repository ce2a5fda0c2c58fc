// Address translation as the manual's pseudocode has it (AArch64.TranslateAddress, AArch64.TranslationTableWalk of
// Armv8.0 with PAN), in exact arithmetic and without any cleverness: the measure for the MMU.

/** PAMax. */
const PHYSICAL_SIZE = 44;

export type PlainAccess = "read" | "write" | "rmw" | "fetch" | "clean" | "invalidate";

/** The registers that translation depends on, as the guest reads them. */
export interface TranslationRegisters {
  readonly SCTLR_EL1: bigint;
  readonly TCR_EL1: bigint;
  readonly MAIR_EL1: bigint;
  readonly TTBR0_EL1: bigint;
  readonly TTBR1_EL1: bigint;
  readonly HCR_EL2: bigint;
  readonly VTCR_EL2: bigint;
  readonly VTTBR_EL2: bigint;
  readonly SCTLR_EL2: bigint;
  readonly TCR_EL2: bigint;
  readonly MAIR_EL2: bigint;
  readonly TTBR0_EL2: bigint;
}

/** Those of EL1's regime, in the order in which programs get their values. */
export const TRANSLATION_REGISTERS = [
  "SCTLR_EL1",
  "TCR_EL1",
  "MAIR_EL1",
  "TTBR0_EL1",
  "TTBR1_EL1",
  "HCR_EL2",
  "VTCR_EL2",
  "VTTBR_EL2",
] as const satisfies readonly (keyof TranslationRegisters)[];

export interface PlainRequest {
  readonly address: bigint;
  readonly access: PlainAccess;
  /** The level that has the regime, and whose rights count. */
  readonly el: 0 | 1 | 2;
  readonly pan: boolean;
  readonly aligned: boolean;
}

export type PlainResult =
  | {
      readonly kind: "ok";
      readonly physical: bigint;
      readonly device: boolean;
      /** The second stage says so, or did of a table of the first stage. */
      readonly guestDevice: boolean;
      /** The largest block that the first stage has there, in bits; undefined without one. */
      readonly bits: number | undefined;
    }
  | {
      readonly kind: "fault";
      readonly code: number;
      readonly secondStage: boolean;
      readonly onWalk: boolean;
      readonly ipa: bigint;
      readonly write: boolean;
    };

/** The 8 bytes at a physical address, or undefined where there is no memory. */
export type PlainMemory = (address: bigint) => bigint | undefined;

class Fault extends Error {
  readonly result: PlainResult;
  constructor(result: Extract<PlainResult, { kind: "fault" }>) {
    super(`fault ${result.code}`);
    this.result = result;
  }
}

const field = (value: bigint, high: number, low: number): bigint =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const bit = (value: bigint, n: number): boolean => field(value, n, n) === 1n;
const number = (value: bigint, high: number, low: number): number => Number(field(value, high, low));
const isZero = (value: bigint, high: number, low: number): boolean =>
  high < low || field(value, high, low) === 0n;
const isOnes = (value: bigint, high: number, low: number): boolean =>
  field(value, high, low) === (1n << BigInt(high - low + 1)) - 1n;
/** value<high:low>:Zeros(low). */
const masked = (value: bigint, high: number, low: number): bigint =>
  high < low ? 0n : field(value, high, low) << BigInt(low);

const TRANSLATION = 0b000100;
const ADDRESS_SIZE = 0b000000;
const ACCESS_FLAG = 0b001000;
const PERMISSION = 0b001100;
const EXTERNAL_ON_WALK = 0b010100;
const ALIGNMENT = 0b100001;
const OUTPUT_SIZES = [32, 36, 40, 42, 44, 48];
const GRANULES_0 = [12, 16, 14];
const GRANULES_1 = [undefined, 14, 12, 16];

/** One stage's parameters, as TranslationTableWalk works them out first. */
interface Stage {
  readonly found: boolean;
  readonly inputSize: number;
  readonly grain: number;
  readonly level: number;
  readonly base: bigint;
  readonly outputSize: number;
  /** The address that is translated. */
  readonly input: bigint;
}

interface Leaf {
  readonly output: bigint;
  readonly descriptor: bigint;
  readonly level: number;
  readonly bits: number;
  readonly apTable: bigint;
  readonly xnTable: boolean;
  readonly pxnTable: boolean;
}

class Walker {
  private readonly memory: PlainMemory;
  private readonly r: TranslationRegisters;
  private readonly q: PlainRequest;
  private guestDevice = false;

  constructor(memory: PlainMemory, r: TranslationRegisters, q: PlainRequest) {
    this.memory = memory;
    this.r = r;
    this.q = q;
  }

  private get writes(): boolean {
    return this.q.access === "write" || this.q.access === "invalidate";
  }

  private fault(code: number, write = this.writes, stage2?: { ipa: bigint; onWalk: boolean }): never {
    throw new Fault({
      kind: "fault",
      code,
      secondStage: stage2 !== undefined,
      onWalk: stage2?.onWalk ?? false,
      ipa: stage2?.ipa ?? 0n,
      write,
    });
  }

  /** AArch64.FullTranslate. */
  translate(): PlainResult {
    const { r, q } = this;
    const s1 = this.firstStage();
    const virtualized = q.el < 2 && (bit(r.HCR_EL2, 0) || bit(r.HCR_EL2, 12));
    const s2 = virtualized ? this.secondStage(s1.address, false) : { address: s1.address, device: false };
    return {
      kind: "ok",
      physical: s2.address,
      device: s1.device || s2.device,
      guestDevice: this.guestDevice,
      bits: s1.bits,
    };
  }

  // --- First stage -----------------------------------------------------------------------------

  private addressTop(): number {
    const { r, q } = this;
    if (q.el === 2) return bit(r.TCR_EL2, 20) ? 55 : 63;
    return bit(r.TCR_EL1, bit(q.address, 55) ? 38 : 37) ? 55 : 63;
  }

  private firstStage(): { address: bigint; device: boolean; bits: number | undefined } {
    const { r, q } = this;
    const hcr = q.el < 2 ? r.HCR_EL2 : 0n;
    const enabled = q.el === 2 ? bit(r.SCTLR_EL2, 0) : bit(r.SCTLR_EL1, 0) && !bit(hcr, 27) && !bit(hcr, 12);
    if (!enabled) return this.stageOff(bit(hcr, 12));
    const leaf = this.walk(this.stage1Parameters(), (address) => {
      const two = q.el < 2 && bit(hcr, 0);
      return two ? this.secondStage(address, true).address : address;
    });
    const mair = q.el === 2 ? r.MAIR_EL2 : r.MAIR_EL1;
    const attribute = field(mair >> (8n * field(leaf.descriptor, 4, 2)), 7, 0);
    const device = field(attribute, 7, 4) === 0n;
    if (!q.aligned && device && q.access !== "fetch") this.fault(ALIGNMENT);
    this.checkPermission(leaf);
    return { address: leaf.output, device, bits: leaf.bits };
  }

  /** AArch64.TranslateAddressS1Off. */
  private stageOff(defaultCacheable: boolean) {
    const { q } = this;
    const top = this.addressTop();
    if (!isZero(q.address, top, PHYSICAL_SIZE)) this.fault(ADDRESS_SIZE);
    const device = !defaultCacheable && q.access !== "fetch";
    if (!q.aligned && device) this.fault(ALIGNMENT);
    return { address: field(q.address, top, 0), device, bits: undefined };
  }

  private stage1Parameters(): Stage {
    const { r, q } = this;
    const { address } = q;
    const top = this.addressTop();
    const stage = (
      size: bigint,
      granule: number | undefined,
      output: bigint,
      ttbr: bigint,
      rest: (inputSize: number) => boolean,
      off: boolean,
    ): Stage => {
      const inputSize = 64 - Number(size);
      const grain = granule ?? 12;
      const legal = granule !== undefined && inputSize >= 25 && inputSize <= 48;
      const stride = grain - 3;
      const level = 4 - (1 + Math.floor((inputSize - grain - 1) / stride));
      const outputSize = Math.min(OUTPUT_SIZES[Number(output)] ?? 48, PHYSICAL_SIZE);
      return {
        found: legal && rest(inputSize) && !off,
        inputSize,
        grain,
        level,
        base: ttbr,
        outputSize,
        input: address,
      };
    };
    const zeros = (inputSize: number) => isZero(address, top, inputSize);
    if (q.el === 2) {
      const tcr = r.TCR_EL2;
      const granule = GRANULES_0[number(tcr, 15, 14)];
      return stage(field(tcr, 5, 0), granule, field(tcr, 18, 16), r.TTBR0_EL2, zeros, false);
    }
    const tcr = r.TCR_EL1;
    const ips = field(tcr, 34, 32);
    if (!bit(address, top)) {
      const granule = GRANULES_0[number(tcr, 15, 14)];
      return stage(field(tcr, 5, 0), granule, ips, r.TTBR0_EL1, zeros, bit(tcr, 7));
    }
    const ones = (inputSize: number) => isOnes(address, top, inputSize);
    const granule = GRANULES_1[number(tcr, 31, 30)];
    return stage(field(tcr, 21, 16), granule, ips, r.TTBR1_EL1, ones, bit(tcr, 23));
  }

  /** AArch64.CheckPermission. */
  private checkPermission(leaf: Leaf): void {
    const { r, q } = this;
    const el2 = q.el === 2;
    const ap2 = bit(leaf.descriptor, 7) || bit(leaf.apTable, 1);
    const ap1 = el2 || (bit(leaf.descriptor, 6) && !bit(leaf.apTable, 0));
    const xnBit = bit(leaf.descriptor, 54) || leaf.xnTable;
    const pxnBit = !el2 && (bit(leaf.descriptor, 53) || leaf.pxnTable);
    const wxn = bit(el2 ? r.SCTLR_EL2 : r.SCTLR_EL1, 19);
    let [read, write, never] = [true, !ap2, xnBit || (!ap2 && wxn)];
    if (!el2) {
      const userRead = ap1;
      const userWrite = ap1 && !ap2;
      const userNever = xnBit || (userWrite && wxn);
      let [privilegedRead, privilegedWrite] = [true, !ap2];
      const privilegedNever = pxnBit || (privilegedWrite && wxn) || userWrite;
      const loadOrStore = q.access === "read" || q.access === "write" || q.access === "rmw";
      if (q.pan && userRead && q.el === 1 && loadOrStore) {
        privilegedRead = false;
        privilegedWrite = false;
      }
      if (q.el === 0) [read, write, never] = [userRead, userWrite, userNever];
      else [read, write, never] = [privilegedRead, privilegedWrite, privilegedNever];
    }
    const code = PERMISSION | leaf.level;
    switch (q.access) {
      case "fetch":
        if (never) this.fault(code, false);
        break;
      case "rmw":
        if (!read || !write) this.fault(code, read);
        break;
      case "write":
      case "invalidate":
        if (!write) this.fault(code, true);
        break;
      default:
        if (!read) this.fault(code, false);
    }
  }

  // --- Second stage ----------------------------------------------------------------------------

  private stage2Parameters(input: bigint): Stage {
    const { VTCR_EL2: vtcr, VTTBR_EL2 } = this.r;
    const inputSize = 64 - number(vtcr, 5, 0);
    const granule = GRANULES_0[number(vtcr, 15, 14)];
    const grain = granule ?? 12;
    const sl0 = number(vtcr, 7, 6);
    const level = grain === 12 ? 2 - sl0 : 3 - sl0;
    let found = granule !== undefined && sl0 < 3 && inputSize >= 25 && inputSize <= PHYSICAL_SIZE;
    found &&= isZero(input, 63, inputSize);
    const largestLevel = grain === 12 ? 0 : 1;
    if (level < largestLevel) found = false;
    // Between two entries and 16 tables.
    const entries = inputSize - ((3 - level) * (grain - 3) + grain);
    if (entries < 1 || entries > grain + 1) found = false;
    const outputSize = Math.min(OUTPUT_SIZES[number(vtcr, 18, 16)] ?? 48, PHYSICAL_SIZE);
    return { found, inputSize, grain, level, base: VTTBR_EL2, outputSize, input };
  }

  private secondStage(ipa: bigint, onWalk: boolean): { address: bigint; device: boolean } {
    const { r, q } = this;
    const stage2 = { ipa, onWalk };
    const leaf = this.walk(this.stage2Parameters(ipa), undefined, stage2);
    const device = isZero(leaf.descriptor, 5, 4);
    this.guestDevice ||= device;
    if (!onWalk && !q.aligned && device && q.access !== "fetch") this.fault(ALIGNMENT, this.writes, stage2);
    const [read, write] = [bit(leaf.descriptor, 6), bit(leaf.descriptor, 7)];
    const code = PERMISSION | leaf.level;
    if (onWalk) {
      if (!read || (bit(r.HCR_EL2, 2) && device)) this.fault(code, this.writes, stage2);
    } else if (q.access === "fetch") {
      if (!read || bit(leaf.descriptor, 54)) this.fault(code, false, stage2);
    } else if (q.access === "rmw") {
      if (!read || !write) this.fault(code, read, stage2);
    } else if (this.writes) {
      if (!write) this.fault(code, true, stage2);
    } else if (!read && !(q.access === "clean" && q.el > 0)) this.fault(code, false, stage2);
    return { address: leaf.output, device };
  }

  // --- What both stages have in common ---------------------------------------------------------

  private walk(
    stage: Stage,
    located: ((address: bigint) => bigint) | undefined,
    stage2?: { ipa: bigint; onWalk: boolean },
  ): Leaf {
    const fault = (code: number): never => this.fault(code, this.writes, stage2);
    const { inputSize, grain, outputSize, input } = stage;
    let { level } = stage;
    if (!stage.found) fault(TRANSLATION);
    if (!isZero(stage.base, 47, outputSize)) fault(ADDRESS_SIZE);
    const stride = grain - 3;
    let base = masked(stage.base, 47, Math.max(1, 3 + inputSize - ((3 - level) * stride + grain)));
    let [apTable, xnTable, pxnTable] = [0n, false, false];
    let top = inputSize - 1;
    for (;;) {
      const bottom = (3 - level) * stride + grain;
      const at = base | (field(input, top, bottom) << 3n);
      const descriptor = this.memory(located === undefined ? at : located(at));
      if (descriptor === undefined) return fault(EXTERNAL_ON_WALK | level);
      const type = field(descriptor, 1, 0);
      if (!bit(descriptor, 0) || (type === 1n && level === 3)) fault(TRANSLATION | level);
      if (type === 3n && level < 3) {
        if (!isZero(descriptor, 47, outputSize)) fault(ADDRESS_SIZE | level);
        base = masked(descriptor, 47, grain);
        apTable |= field(descriptor, 62, 61);
        xnTable ||= bit(descriptor, 60);
        pxnTable ||= bit(descriptor, 59);
        level++;
        top = bottom - 1;
        continue;
      }
      if (level < (grain === 12 ? 1 : 2)) fault(TRANSLATION | level);
      if (!isZero(masked(descriptor, 47, bottom), 47, outputSize)) fault(ADDRESS_SIZE | level);
      if (!bit(descriptor, 10)) fault(ACCESS_FLAG | level);
      const output = masked(descriptor, 47, bottom) | field(input, bottom - 1, 0);
      return { output, descriptor, level, bits: bottom, apTable, xnTable, pxnTable };
    }
  }
}

/** AArch64.BranchAddr: what the PC becomes. */
export function plainBranchAddress(r: TranslationRegisters, el: 0 | 1 | 2, address: bigint): bigint {
  const upper = el < 2 && bit(address, 55);
  const ignored = el === 2 ? bit(r.TCR_EL2, 20) : bit(r.TCR_EL1, upper ? 38 : 37);
  if (!ignored) return address;
  const low = field(address, 55, 0);
  return upper ? low | (0xffn << 56n) : low;
}

export function plainTranslate(memory: PlainMemory, r: TranslationRegisters, q: PlainRequest): PlainResult {
  try {
    return new Walker(memory, r, q).translate();
  } catch (stop) {
    if (stop instanceof Fault) return stop.result;
    throw stop;
  }
}
