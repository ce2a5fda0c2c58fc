/** Conditions by number. */
export const CONDITIONS = [
  "eq",
  "ne",
  "hs",
  "lo",
  "mi",
  "pl",
  "vs",
  "vc",
  "hi",
  "ls",
  "ge",
  "lt",
  "gt",
  "le",
  "al",
  "nv",
] as const;

export const xName = (index: number): string => (index === 31 ? "xzr" : `x${index}`);
export const wName = (index: number): string => (index === 31 ? "wzr" : `w${index}`);
export const xSpName = (index: number): string => (index === 31 ? "sp" : `x${index}`);
export const wSpName = (index: number): string => (index === 31 ? "wsp" : `w${index}`);
