// Claude Code, without a terminal.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { tell } from "./telling.mjs";

// It was installed without running its own script, which would link the program.
const wrapper = "node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs";
const claude = fileURLToPath(new URL(wrapper, import.meta.url));

function ask(...options) {
  const args = [claude, "--print", "--output-format", "json", ...options];
  const stdio = ["ignore", "pipe", "inherit"];
  const end = spawnSync(process.execPath, args, { encoding: "utf8", stdio });
  if (end.error) throw end.error;
  const told = JSON.parse(end.stdout);
  if (end.status !== 0) throw new Error(told.result);
  const { input_tokens, output_tokens } = told.usage;
  const { result, num_turns, stop_reason } = told;
  return { result, num_turns, stop_reason, input_tokens, output_tokens };
}

await tell({
  plain: (prompt) => ask(prompt),
  tools: (prompt) => ask(prompt, "--allowedTools", "Bash"),
  continue: (prompt) => [ask(prompt), ask("--continue", `${prompt}, again`)],
});
