import { describe, expect, test } from "vitest";
import { runOnCpu } from "../testing/cpu/bare-machine.js";
import { comparable } from "../testing/cpu/comparable.js";
import { dumpsOf } from "../testing/cpu/programs/case.js";
import { assembleForCpu, haveQemuSystem, runOnQemu } from "../testing/cpu/qemu-system.js";
import { groups as groupsOfModes } from "../testing/cpu/system-cases.js";
import { program } from "../testing/cpu/system-programs.js";
import { taskCases } from "../testing/cpu/task-cases.js";
import { runAsGuest } from "../testing/vm/program-guest.js";

const groups = { ...groupsOfModes, "task switches": { list: taskCases, program } } as typeof groupsOfModes;

/** What each case wrote, as far as QEMU's processor is to be believed. */
function compared(list: Parameters<typeof dumpsOf>[0], output: Uint8Array): Record<string, string> {
  const dumps = dumpsOf(list, output);
  return Object.fromEntries(list.map(({ name }) => [name, comparable(dumps.get(name)).join(" ")]));
}

describe.skipIf(!haveQemuSystem())("against QEMU's processor", () => {
  test.each(Object.keys(groups))(
    "%s",
    (name) => {
      const group = groups[name];
      if (group === undefined) throw new Error(`no group ${name}`);
      const { list } = group;
      const source = group.program(list);
      const theirs = compared(list, runOnQemu(source));
      // The program came to its end.
      expect(Object.values(theirs)).not.toContain("missing");
      const program = assembleForCpu(source);
      expect(compared(list, runOnCpu(program, "cold"))).toEqual(theirs);
      expect(compared(list, runOnCpu(program, "hot"))).toEqual(theirs);
      // Under the hypervisor there is nothing else to be seen.
      expect(compared(list, runAsGuest(program, "hot"))).toEqual(theirs);
    },
    60_000,
  );
});
