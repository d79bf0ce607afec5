// How a client's script tells what it got: one line of JSON, and an exit status.
export const MODEL = "claude-demo";

// Goes the way that the first argument names, with the prompt after it.
export async function tell(ways) {
  const [way, prompt] = process.argv.slice(2);
  let got;
  try {
    got = await ways[way](prompt);
  } catch (error) {
    got = { error: error.name, message: String(error.message ?? error) };
    process.exitCode = 1;
  }
  console.log(JSON.stringify(got));
}
