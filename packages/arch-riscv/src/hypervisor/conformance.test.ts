import { conformanceCases } from "@hypercraft/hypercraft/testing";
import { describe, it } from "vitest";
import { riscvAdapter } from "../testing/vm/conformance-adapter.js";

describe("RISC-V conforms to the contracts of a hypervisor", () => {
  for (const { name, skip, run } of conformanceCases(riscvAdapter)) it.skipIf(skip !== undefined)(name, run);
});
