import { it } from "vitest";
import { fakeMachine } from "../testing/cpu/fake-core.js";
import { runOnQemu } from "../testing/cpu/qemu-system.js";
it("explores", () => {
  const { hart } = fakeMachine({}, 4096);
  const skip = new Set([0xb00,0xb02,0xc00,0xc01,0xc02,0x344,0x644,0x305,0x300]);
  const csrs = hart.csrs.all.filter((c) => (c.number >>> 10) !== 3 && !skip.has(c.number) && !(c.number>=0x7a0&&c.number<0x7b0) && !(c.number>=0xb03&&c.number<0xb20)&& !(c.number>=0x323&&c.number<0x340)&& !(c.number>=0x3a0&&c.number<0x3f0));
  const pats = [-1n, 0n, 0x5555555555555555n, -0x5555555555555556n, 0x8000000000000001n];
  let src = ".globl _start\n_start:\n li s10, UART\n li t0, 0x6000\n csrs mstatus, t0\n la t0, bad\n csrw mtvec, t0\n";
  for (const c of csrs) for (const p of pats) src += ` li a0, ${p}\n csrw 0x${c.number.toString(16)}, a0\n csrr a0, 0x${c.number.toString(16)}\n call put\n`;
  src += " stop\n.align 2\nbad: li a0, -2\n call put\n csrr t0, mepc\n addi t0,t0,4\n csrw mepc,t0\n li t0, 0x7800\n csrs mstatus, t0\n mret\nput: li t2, 8\n1: sb a0, 0(s10)\n srli a0,a0,8\n addi t2,t2,-1\n bnez t2,1b\n ret\n";
  const out = new BigUint64Array(runOnQemu(src).slice().buffer);
  let i = 0;
  hart.writeCsr("mstatus", 0x6000n);
  for (const c of csrs) for (const p of pats) {
    let v: bigint|string; 
    hart.writeCsr(c.number, BigInt.asUintN(64, p)); v = hart.readCsr(c.number);
    const q = out[i++]!;
    if (q !== v) console.log(c.name, BigInt.asUintN(64,p).toString(16), "qemu", q.toString(16), "ours", v.toString(16));
  }
  console.log(out.length, i);
});
