import type { Field } from "@hypercraft/engine";
import type { CsrDefinition, CsrTable } from "../csr-table.js";

/** xtvec: the base is a multiple of 4, the mode direct (0) or vectored (1). */
export function legalTvec(t: CsrTable, field: Field): CsrDefinition {
  return t.ofField(field, ~2, -1);
}
