import type { CoreApi } from "@hypercraft/engine";
import type { RegisterValue } from "@hypercraft/hypercraft";
import { readFlags } from "./rflags.js";
import {
  activity,
  CR0,
  CR2,
  CR3,
  CR4,
  DR6,
  DR7,
  EFER,
  GDTR,
  GPR,
  GPR_NAMES,
  IDTR,
  LDTR,
  SEGMENT_NAMES,
  SEGMENTS,
  TR,
  x86Layout,
} from "./state.js";

/**
 * Everything worth reading about a processor in one list: the pc as a linear address, RFLAGS, general registers,
 * segments with what is hidden of them, tables, and control registers.
 */
export function registerReport(core: CoreApi): RegisterValue[] {
  const list: RegisterValue[] = [
    { name: "pc", value: core.big(x86Layout.pc) },
    { name: "rflags", value: BigInt(readFlags(core) >>> 0) },
  ];
  for (const [i, field] of GPR.entries()) list.push({ name: GPR_NAMES[i]!, value: core.big(field) });
  const segments = [
    ...SEGMENTS.map((fields, i) => [SEGMENT_NAMES[i]!, fields] as const),
    ["ldtr", LDTR] as const,
    ["tr", TR] as const,
  ];
  for (const [name, { selector, base, limit, rights }] of segments) {
    list.push({ name, value: BigInt(core.lo(selector) & 0xffff) });
    list.push({ name: `${name}.base`, value: core.big(base) });
    list.push({ name: `${name}.limit`, value: BigInt(core.lo(limit) >>> 0) });
    list.push({ name: `${name}.rights`, value: BigInt(core.lo(rights) >>> 0) });
  }
  for (const [name, table] of [["gdtr", GDTR] as const, ["idtr", IDTR] as const]) {
    list.push({ name: `${name}.base`, value: core.big(table.base) });
    list.push({ name: `${name}.limit`, value: BigInt(core.lo(table.limit) & 0xffff) });
  }
  const control = { cr0: CR0, cr2: CR2, cr3: CR3, cr4: CR4, efer: EFER, dr6: DR6, dr7: DR7 };
  for (const [name, field] of Object.entries(control)) list.push({ name, value: core.big(field) });
  list.push({ name: "activity", value: BigInt(core.lo(activity)) });
  return list;
}
