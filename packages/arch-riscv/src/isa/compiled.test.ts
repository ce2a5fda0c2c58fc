import { compiledCode } from "@hypercraft/engine/testing/compiled-code";
import { expect, test } from "vitest";
import { Lockstep } from "../testing/cpu/bare-lockstep.js";

// What the hot tier makes of instructions, in files under `compiled/`: guest code, IR after all passes, WebAssembly.
// After a change that is meant, look at what `vitest run -u` makes of them.

/** The code between the labels `from` and `to` of a loop that runs often, as it was compiled in the first region. */
function compiled(source: string): string {
  const machine = new Lockstep(`
    li s0, 50
    la s1, data
    from: ${source}
    to: addi s0, s0, -1
    bne s0, zero, from
    wfi
    .align 4096
    data: .dword 0`);
  let text = "";
  machine.all(({ tier, engine }) => {
    if (tier === "hot")
      text = compiledCode(engine, machine.at("from"), machine.at("to"), () => machine.finish(50));
  });
  return text;
}

test.each<[string, string]>([
  ["constants", "lui a0, 0x12345; addi a0, a0, 0x678; auipc a1, 0x1000; addi a1, a1, -8"],
  ["arithmetic", "addw a0, a1, s0; sltu a2, a0, s0; slli a3, a2, 3; sub zero, a0, a1"],
  ["division", "divw a0, s0, a1"],
  ["load-store", "lw a0, 4(s1); sd a0, 8(s1)"],
  ["atomic", "amoadd.d a0, s0, (s1)"],
  ["call", "jal ra, function; jal zero, to; function: add a0, a0, s0; jalr zero, 0(ra)"],
  ["system", "addi a0, a0, 1; csrrs a1, instret, zero; addi a2, a2, 1"],
])("%s", async (name, source) => {
  await expect(compiled(source)).toMatchFileSnapshot(`compiled/${name}.golden.txt`);
});
