import { describe, it } from "vitest";
import { conformanceCases } from "./conformance.js";
import { mockAdapter } from "./mock-arch.js";

describe("the mock architecture conforms", () => {
  for (const { name, skip, run } of conformanceCases(mockAdapter)) it.skipIf(skip !== undefined)(name, run);
});
