import { type Declaration, InstructionTable, supportMatrix } from "@hypercraft/engine";
import { aes } from "./aes.js";
import { branches } from "./branches.js";
import { crc32 } from "./crc32.js";
import { exclusives } from "./exclusives.js";
import { immediate } from "./immediate.js";
import type { A64Builder } from "./lifter.js";
import { loadsStores } from "./loads-stores.js";
import { lse } from "./lse.js";
import { OPERANDS } from "./operands.js";
import { nonTemporalPairs, pairs } from "./pairs.js";
import { polynomial } from "./polynomial.js";
import { register } from "./register.js";
import { scalarCompare } from "./scalar-compare.js";
import { scalarConvert } from "./scalar-convert.js";
import { scalarFloat } from "./scalar-float.js";
import { sha } from "./sha.js";
import { sources } from "./sources.js";
import { system } from "./system.js";
import { vectorAcross } from "./vector-across.js";
import { vectorCopy } from "./vector-copy.js";
import { vectorDifferent } from "./vector-different.js";
import { vectorElement } from "./vector-element.js";
import { vectorFloatConvert } from "./vector-float-convert.js";
import { vectorFloatImmediate } from "./vector-float-immediate.js";
import { vectorFloatReduce } from "./vector-float-reduce.js";
import { vectorFloatSame } from "./vector-float-same.js";
import { vectorFloatUnary } from "./vector-float-unary.js";
import { vectorImmediate } from "./vector-immediate.js";
import { vectorInteger } from "./vector-integer.js";
import { vectorLoadsStores } from "./vector-loads-stores.js";
import { vectorPermute } from "./vector-permute.js";
import { vectorShift } from "./vector-shift.js";
import { vectorStructures } from "./vector-structures.js";
import { vectorTable } from "./vector-table.js";
import { vectorUnary } from "./vector-unary.js";

const declarations: readonly Declaration<A64Builder>[] = [
  ...immediate,
  ...register,
  ...sources,
  ...branches,
  ...loadsStores,
  ...pairs,
  ...nonTemporalPairs,
  ...exclusives,
  ...lse,
  ...crc32,
  ...system,
  ...vectorLoadsStores,
  ...vectorInteger,
  ...vectorCopy,
  ...vectorPermute,
  ...vectorShift,
  ...vectorImmediate,
  ...vectorUnary,
  ...vectorAcross,
  ...vectorDifferent,
  ...vectorElement,
  ...vectorTable,
  ...vectorStructures,
  ...polynomial,
  ...aes,
  ...sha,
  ...scalarFloat,
  ...scalarCompare,
  ...scalarConvert,
  ...vectorFloatSame,
  ...vectorFloatUnary,
  ...vectorFloatReduce,
  ...vectorFloatConvert,
  ...vectorFloatImmediate,
];

/** The instructions of A64. */
export const armInstructions = new InstructionTable(declarations, OPERANDS);

/** Supported instructions by feature. */
export const armSupport = supportMatrix(armInstructions);
