export type { FormatName } from "./format.js";
export {
  type DenormalPolicy,
  FLOAT_FLAGS,
  FLOAT_MODES,
  type IntegerPolicy,
  type NanPolicy,
  ROUNDING,
  type SoftFloatOptions,
} from "./policy.js";
export {
  emitSoftFloat,
  type FloatOperation,
  SOFT_FLOAT_NAMES,
  type SoftFloat,
  type SoftFloatName,
} from "./softfloat.js";
