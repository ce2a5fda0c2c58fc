import type { CoreApi } from "@hypercraft/engine";
import type { RegisterValue } from "@hypercraft/hypercraft";
import { X_NAMES } from "../isa/registers.js";
import { F, H, M, privilege, riscvLayout, S, VS, virtualization, X } from "./state.js";

/** Everything worth reading about a hart in one list: pc, mode, integer registers and the CSRs of traps and translation. */
export function registerReport(core: CoreApi): RegisterValue[] {
  const list: RegisterValue[] = [
    { name: "pc", value: core.big(riscvLayout.pc) },
    { name: "priv", value: BigInt(core.lo(privilege)) },
    { name: "v", value: BigInt(core.lo(virtualization)) },
  ];
  for (let i = 1; i < 32; i++) list.push({ name: X_NAMES[i] as string, value: core.big(X[i]!) });
  const banks = [
    ["m", M],
    ["s", S],
    ["h", H],
    ["vs", VS],
  ] as const;
  for (const [prefix, bank] of banks) {
    for (const [name, field] of Object.entries(bank)) {
      if (/offset$/i.test(name)) continue;
      list.push({ name: `${prefix}${name}`, value: core.big(field) });
    }
  }
  return list;
}

/** Value of a floating-point register, for stores from it. */
export function floatRegister(core: CoreApi, index: number): { lo: number; hi: number } {
  const field = F[index]!;
  return { lo: core.lo(field) >>> 0, hi: core.hi(field) >>> 0 };
}
