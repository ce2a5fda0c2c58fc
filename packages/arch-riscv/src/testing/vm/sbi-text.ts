// SBI calls as assembly text.

export const BASE = 0x10;
export const TIME = 0x54494d45;
export const IPI = 0x735049;
export const RFENCE = 0x52464e43;
export const HSM = 0x48534d;
export const SRST = 0x53525354;
export const DBCN = 0x4442434e;

/** A call with constant arguments; results are in a0 and a1. */
export function sbi(
  eid: number | bigint,
  fid: number | bigint,
  ...args: readonly (number | bigint)[]
): string {
  const moves = args.map((value, i) => `li a${i}, ${value}`);
  return `li a7, ${eid}\nli a6, ${fid}\n${moves.join("\n")}\necall\n`;
}

/** Keep a0 and a1 in the next 16 bytes at s11. */
const KEEP = "sd a0, 0(s11)\nsd a1, 8(s11)\naddi s11, s11, 16\n";

/** Calls one after the other, their results kept from `address` on. */
export function calls(address: number, ...texts: readonly string[]): string {
  return `li s11, ${address}\n${texts.map((text) => `li a1, 0x5a5a\n${text}${KEEP}`).join("")}`;
}
