#!/usr/bin/env node
// npx hypercraft, in a checkout: the CLI as it is in the sources, installed and built first where need be.
import { build, runCli } from "./workspace.mjs";

build();
process.exitCode = await runCli(process.argv.slice(2));
