import { Helper } from "../cpu/helper-ids.js";
import { type RiscvBuilder, riscv } from "./lifter.js";

// Cache-block operations, unprivileged manual, chapter "CMO". Whether they are enabled (xenvcfg) is for the
// helper to decide.

const management = riscv("Zicbom");
const zero = riscv("Zicboz");

const block =
  (operation: number) =>
  (b: RiscvBuilder, { rs1 }: { rs1: number }) => {
    b.ir.call(Helper.cacheBlock, operation, b.x(rs1));
  };

const BLOCK_BYTES = 64;

/** Where it is allowed, zeroing is plain stores; the probe gives a fault the address in rs1, as the manual wants it. */
function zeroBlock(b: RiscvBuilder, operands: { rs1: number }): void {
  if (!b.mode.cboZero) return block(4)(b, operands);
  const address = b.x(operands.rs1);
  b.ir.probe("write", 1, address);
  const start = b.i64.and(address, b.i64.const(-BLOCK_BYTES));
  for (let at = 0; at < BLOCK_BYTES; at += 8)
    b.ir.store(8, b.i64.add(start, b.i64.const(at)), b.i64.const(0));
}

export const zicbo = [
  management.insn("000000000000 rs1:5 010 00000 0001111", "cbo.inval (rs1)", block(0)),
  management.insn("000000000001 rs1:5 010 00000 0001111", "cbo.clean (rs1)", block(1)),
  management.insn("000000000010 rs1:5 010 00000 0001111", "cbo.flush (rs1)", block(2)),
  zero.insn("000000000100 rs1:5 010 00000 0001111", "cbo.zero (rs1)", zeroBlock),
];
