import { GICC, GICD, GICR, RAM, type RigGic } from "./rig.js";

// A guest that takes interrupts and keeps a log of them, for both versions of the GIC.

/** The device of `doorbell`: offset 0 raises interrupt n, 4 acknowledges it, 8 says how often it wants that. */
export const DEVICE = 0x1000_0000;
/** Interrupts from here on are edge-triggered. */
export const FIRST_EDGE = 44;
export const LOG = RAM + 0x1_0000;
const STACKS = RAM + 0x2_0000;
const STACK = 0x1000;
const VIRTUAL_TIMER = 27;
const PHYSICAL_TIMER = 30;
const LINES = 24;

const isV3 = (gic: RigGic): boolean => gic === 3 || gic === "virtual 3";
const words = (base: number, ...list: readonly (readonly [offset: number, value: number])[]): string =>
  list.map(([offset, value]) => `li x9, ${base + offset}; li x10, ${value >>> 0}; str w10, [x9]`).join("\n");

/** Read the interrupt acknowledge register into x0. */
const acknowledge = (gic: RigGic): string =>
  isV3(gic) ? "mrs x0, ICC_IAR1_EL1" : `li x1, ${GICC}; ldr w0, [x1, #0xc]`;
/** End the interrupt in x0. */
const end = (gic: RigGic): string =>
  isV3(gic) ? "msr ICC_EOIR1_EL1, x0" : `li x1, ${GICC}; str w0, [x1, #0x10]`;
/** With EOImode set: deactivate the interrupt in x0. */
const deactivate = (gic: RigGic): string =>
  isV3(gic) ? "msr ICC_DIR_EL1, x0" : `li x1, ${GICC + 0x1000}; str w0, [x1]`;

/** SPI n has priority 8 * (63 - n): the highest number is the most urgent. SGIs and PPIs have 0x60. */
function priorities(): [number, number][] {
  const list: [number, number][] = [];
  for (let id = 32; id < 32 + LINES; id += 4) {
    const bytes = [0, 1, 2, 3].map((i) => (8 * (63 - id - i)) << (8 * i));
    list.push([0x400 + id, bytes.reduce((a, b) => a | b)]);
  }
  return list;
}

/** Everything the distributor needs; run by the first CPU. */
const distributor = (gic: RigGic): string =>
  words(
    GICD,
    [0, isV3(gic) ? 2 : 1],
    [0x84, isV3(gic) ? 0xffff_ffff : 0],
    [0x104, 0xff_ffff],
    [0xc08, 0xaa00_0000],
    [0xc0c, 0xaaaa],
    ...priorities(),
    ...(isV3(gic) ? [] : [0, 4, 8, 12, 16, 20].map((i): [number, number] => [0x820 + i, 0x0101_0101])),
  );

export interface GuestOptions {
  /** Priority drop and deactivation are apart. */
  readonly split?: boolean;
  /** GICv2: interrupts are FIQs. */
  readonly fiq?: boolean;
}

/** What each CPU does for its own. */
function own(gic: RigGic, cpu: number, { split = false, fiq = false }: GuestOptions): string {
  const private0 = 0xffff | (1 << VIRTUAL_TIMER) | (1 << PHYSICAL_TIMER);
  const low = [0, 4, 8, 12, 16, 20, 24, 28].map((i): [number, number] => [0x400 + i, 0x6060_6060]);
  if (isV3(gic)) {
    const redistributor = GICR + 0x2_0000 * cpu;
    return `${words(redistributor, [0x14, 0])}
      ${words(redistributor + 0x1_0000, [0x80, -1], [0x100, private0], ...low)}
      li x9, 0xf8; msr ICC_PMR_EL1, x9; li x9, ${split ? 2 : 0}; msr ICC_CTLR_EL1, x9
      li x9, 1; msr ICC_IGRPEN1_EL1, x9; isb`;
  }
  return `${words(GICD, [0x100, private0], ...low)}\n${words(GICC, [4, 0xf8], [0, 1 | (split ? 0x200 : 0) | (fiq ? 8 : 0)])}`;
}

/** Vectors, the handler, and the beginning of a CPU's program; x28 is where its log goes on. */
export function begin(gic: RigGic, cpu: number, options: GuestOptions = {}): string {
  const { split = false } = options;
  return `
    li x9, ${STACKS + STACK * (cpu + 1)}; mov sp, x9
    li x28, ${LOG + 0x1000 * cpu}
    li x27, 0
    adr x9, vectors${cpu}; msr VBAR_EL1, x9
    ${cpu === 0 ? distributor(gic) : ""}
    ${own(gic, cpu, options)}
    b main${cpu}
    .align 2048
    vectors${cpu}: nop
    .align 512
    b wrong${cpu}
    .align 128
    b irq${cpu}
    .align 128
    // FIQ, where interrupts are told to be that.
    li x26, 1; b irq${cpu}
    .align 2048
    wrong${cpu}: li x0, 0xbad; hvc #0x66
    irq${cpu}:
    stp x0, x1, [sp, #-16]!
    mrs x0, ELR_EL1; mrs x1, SPSR_EL1
    stp x0, x1, [sp, #-16]!
    ${acknowledge(gic)}
    str w0, [x28], #4
    cmp w0, #${VIRTUAL_TIMER}
    b.ne other${cpu}
    msr CNTV_CTL_EL0, xzr
    other${cpu}: cmp w0, #${PHYSICAL_TIMER}
    b.ne device${cpu}
    msr CNTP_CTL_EL0, xzr
    device${cpu}:
    ubfm x1, x0, #0, #9
    cmp w1, #32
    b.lo nest${cpu}
    li x1, ${DEVICE}; str w0, [x1, #4]
    nest${cpu}: cbz x27, done${cpu}
    // A more urgent one comes before this one ends.
    sub x27, x27, #1
    add w0, w0, #1
    li x1, ${DEVICE}; str w0, [x1]
    sub w0, w0, #1
    msr DAIFClr, #3
    nop
    msr DAIFSet, #3
    done${cpu}:
    ${end(gic)}
    ${split ? `nop\n${deactivate(gic)}` : ""}
    li x1, 0xe0d; str w1, [x28], #4
    ldp x0, x1, [sp], #16
    msr ELR_EL1, x0; msr SPSR_EL1, x1
    ldp x0, x1, [sp], #16
    eret
    main${cpu}:
  `;
}

/** What the log has where an interrupt was ended. */
export const ENDED = 0xe0d;

export const ENABLE = "msr DAIFClr, #3";
export const DISABLE = "msr DAIFSet, #3";
export const ring = (id: number): string => `li x9, ${DEVICE}; li x10, ${id}; str w10, [x9]`;
/** The next interrupts want so many acknowledgements. */
export const wants = (count: number): string => `li x9, ${DEVICE}; li x10, ${count}; str w10, [x9, #8]`;
export const sgi = (gic: RigGic, id: number, targets: number): string =>
  isV3(gic)
    ? `li x9, ${(id << 24) | targets}; msr ICC_SGI1R_EL1, x9`
    : `li x9, ${GICD + 0xf00}; li x10, ${(targets << 16) | id}; str w10, [x9]`;
export const setVirtualTimer = (ticks: number): string =>
  `mrs x9, CNTVCT_EL0; li x10, ${ticks}; add x9, x9, x10; msr CNTV_CVAL_EL0, x9; li x9, 1; msr CNTV_CTL_EL0, x9`;
export const setPhysicalTimer = (ticks: number): string =>
  `mrs x9, CNTPCT_EL0; li x10, ${ticks}; add x9, x9, x10; msr CNTP_CVAL_EL0, x9; li x9, 1; msr CNTP_CTL_EL0, x9`;
