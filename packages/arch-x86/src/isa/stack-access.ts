import { Seg } from "../cpu/state.js";
import { Decoded } from "./decoded.js";
import type { DecodeMode } from "./decoder.js";
import { x86Decoder } from "./table.js";

/** Instructions that access the stack by themselves, besides what an operand says. */
const STACK = new Set(["push", "pop", "pushf", "popf", "call", "ret", "enter", "leave"]);
/** ENTER accesses the most: 32 frame pointers of 8 bytes. */
const REACH = 512n;

const decoded = new Decoded();

const near = (address: bigint, pointer: bigint): boolean => {
  const distance = BigInt.asIntN(64, address - pointer);
  return distance >= -REACH && distance <= REACH;
};

/**
 * Is it the stack segment through which an instruction of 64-bit mode accesses an address? Then #SS and not #GP says
 * that it is not canonical (SDM volume 3, 6.15, interrupt 12).
 */
export function addressesStack(
  bytes: (offset: number) => number,
  mode: DecodeMode,
  address: bigint,
  pointers: { readonly rsp: bigint; readonly rbp: bigint },
): boolean {
  if (x86Decoder.decode(decoded, bytes, mode) !== "ok" || decoded.instruction === undefined) return false;
  const { instruction, mod, stackBased, segment } = decoded;
  const { mnemonic, encoding } = instruction;
  if (STACK.has(mnemonic) && near(address, pointers.rsp)) return true;
  if ((mnemonic === "leave" || mnemonic === "enter") && near(address, pointers.rbp)) return true;
  return encoding.modrm && mod !== 3 && stackBased && segment < Seg.fs;
}
