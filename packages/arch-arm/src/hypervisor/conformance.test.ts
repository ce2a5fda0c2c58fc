import { conformanceCases } from "@hypercraft/hypercraft/testing";
import { describe, it } from "vitest";
import { armAdapter } from "../testing/vm/conformance-adapter.js";

describe.each(["cold", "hot"] as const)(
  "AArch64 conforms to the contracts of a hypervisor, %s tier",
  (tier) => {
    for (const { name, skip, run } of conformanceCases(armAdapter(tier)))
      it.skipIf(skip !== undefined)(name, run);
  },
);
