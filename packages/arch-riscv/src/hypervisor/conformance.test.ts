import { conformanceCases } from "@hypercraft/hypercraft/testing";
import { describe, it } from "vitest";
import { riscvAdapter } from "../testing/vm/conformance-adapter.js";

describe.each(["cold", "hot"] as const)(
  "RISC-V conforms to the contracts of a hypervisor, %s tier",
  (tier) => {
    for (const { name, skip, run } of conformanceCases(riscvAdapter(tier)))
      it.skipIf(skip !== undefined)(name, run);
  },
);
