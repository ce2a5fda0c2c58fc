/** CSR numbers and names (privileged manual, chapter 2), for assembly text. */
const RANGES: readonly (readonly [first: number, names: string])[] = [
  [0x001, "fflags frm fcsr"],
  [0x100, "sstatus"],
  [0x104, "sie stvec scounteren"],
  [0x10a, "senvcfg"],
  [0x140, "sscratch sepc scause stval sip"],
  [0x14d, "stimecmp"],
  [0x180, "satp"],
  [0x200, "vsstatus"],
  [0x204, "vsie vstvec"],
  [0x240, "vsscratch vsepc vscause vstval vsip"],
  [0x24d, "vstimecmp"],
  [0x280, "vsatp"],
  [0x300, "mstatus misa medeleg mideleg mie mtvec mcounteren"],
  [0x30a, "menvcfg"],
  [0x320, "mcountinhibit"],
  [0x340, "mscratch mepc mcause mtval mip"],
  [0x34a, "mtinst mtval2"],
  [0x5a8, "scontext"],
  [0x600, "hstatus"],
  [0x602, "hedeleg hideleg hie htimedelta hcounteren hgeie"],
  [0x60a, "henvcfg"],
  [0x643, "htval hip hvip"],
  [0x64a, "htinst"],
  [0x680, "hgatp"],
  [0x6a8, "hcontext"],
  [0x747, "mseccfg"],
  [0x7a0, "tselect tdata1 tdata2 tdata3"],
  [0x7a8, "mcontext"],
  [0x7b0, "dcsr dpc dscratch0 dscratch1"],
  [0xb00, "mcycle"],
  [0xb02, "minstret"],
  [0xc00, "cycle time instret"],
  [0xe12, "hgeip"],
  [0xf11, "mvendorid marchid mimpid mhartid mconfigptr"],
];

const NUMBERED: readonly (readonly [first: number, stem: string, from: number, to: number])[] = [
  [0x323, "mhpmevent", 3, 31],
  [0x3a0, "pmpcfg", 0, 15],
  [0x3b0, "pmpaddr", 0, 63],
  [0xb03, "mhpmcounter", 3, 31],
  [0xc03, "hpmcounter", 3, 31],
];

const names = new Map<number, string>();
for (const [first, list] of RANGES) {
  for (const [i, name] of list.split(" ").entries()) names.set(first + i, name);
}
for (const [first, stem, from, to] of NUMBERED) {
  for (let i = from; i <= to; i++) names.set(first + i - from, `${stem}${i}`);
}

/** Name of a CSR (0..0xfff); a number in hexadecimal where the manual names none. */
export function csrName(number: number): string {
  return names.get(number) ?? `0x${number.toString(16)}`;
}
