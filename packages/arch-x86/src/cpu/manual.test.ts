import type { Tier } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { runOnCpu } from "../testing/cpu/bare-machine.js";
import { manualGroups } from "../testing/cpu/manual-cases.js";
import { dumpsOf } from "../testing/cpu/programs/case.js";
import { assembleForCpu, haveQemuSystem } from "../testing/cpu/qemu-system.js";

const NO_ERROR = "7777";

// QEMU is not asked here, but what it takes to assemble for it is.
describe.skipIf(!haveQemuSystem())("by the manual", () => {
  for (const [name, { list, program }] of Object.entries(manualGroups))
    test.each<Tier>(["cold", "hot"])(`${name}, %s tier`, (tier) => {
      const dumps = dumpsOf(list, runOnCpu(assembleForCpu(program(list)), tier));
      const found = list.map(({ name: which }) => {
        const words = dumps.get(which) ?? ["missing"];
        // Vectors and error codes of long mode are quads.
        const error = words[1] === "0" && words[3] === "0" ? words[2] : words[1];
        return `${which}: ${words[0]} ${error}`;
      });
      const wanted = list.map(({ name: which, outcome }) => {
        const [vector, error] = outcome === "nothing" ? [0x30, -1] : outcome;
        return `${which}: ${vector.toString(16)} ${error < 0 ? NO_ERROR : error.toString(16)}`;
      });
      expect(found).toEqual(wanted);
    });
});
