import { conformanceCases } from "@hypercraft/hypercraft/testing";
import { describe, it } from "vitest";
import { x86Adapter } from "../testing/vm/conformance-adapter.js";

describe.each(["cold", "hot"] as const)(
  "x86-64 conforms to the contracts of a hypervisor, %s tier",
  (tier) => {
    for (const { name, skip, run } of conformanceCases(x86Adapter(tier)))
      it.skipIf(skip !== undefined)(name, run);
  },
);
