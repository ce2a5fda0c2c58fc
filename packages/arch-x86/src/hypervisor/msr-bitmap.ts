/** Bytes of an MSR bitmap: SDM volume 3, 25.6.9. */
const MSR_BITMAP_SIZE = 4096;
const HIGH_MSRS = 0xc000_0000;
const READ = 0;
const WRITE = 2048;
const HIGH = 1024;

/** Registers that only the guest uses, so that it has the processor's: it reads and writes them without an exit. */
const OWN_REGISTERS: readonly number[] = [
  // IA32_SPEC_CTRL, IA32_PRED_CMD, IA32_DEBUGCTL.
  0x48, 0x49, 0x1d9,
  // IA32_SYSENTER_CS, ESP and EIP, IA32_PAT.
  0x174, 0x175, 0x176, 0x277,
  // IA32_EFER, STAR, LSTAR, CSTAR, FMASK, the bases of FS and GS, IA32_TSC_AUX.
  0xc000_0080, 0xc000_0081, 0xc000_0082, 0xc000_0083, 0xc000_0084, 0xc000_0100, 0xc000_0101, 0xc000_0102,
  0xc000_0103,
];
/** IA32_TIME_STAMP_COUNTER: reading it takes the VMCS's offset into account. */
const READABLE: readonly number[] = [0x10];

/** A bitmap by which every access leaves the guest but those of registers that are its own. */
export function msrBitmap(): Uint8Array {
  const bitmap = new Uint8Array(MSR_BITMAP_SIZE).fill(0xff);
  const allow = (number: number, half: number): void => {
    const index = number >= HIGH_MSRS ? number - HIGH_MSRS : number;
    const at = half + (number >= HIGH_MSRS ? HIGH : 0) + (index >> 3);
    bitmap[at]! &= ~(1 << (index & 7));
  };
  for (const number of OWN_REGISTERS) {
    allow(number, READ);
    allow(number, WRITE);
  }
  for (const number of READABLE) allow(number, READ);
  return bitmap;
}
