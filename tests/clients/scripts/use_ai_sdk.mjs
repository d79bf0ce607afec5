// The AI SDK. Its base URL ends in /v1.
import { createAnthropic } from "@ai-sdk/anthropic";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { MODEL, tell } from "./telling.mjs";

const baseURL = `${process.env.ANTHROPIC_BASE_URL}/v1`;
const asked = (prompt) => ({
  model: createAnthropic({ baseURL })(MODEL),
  maxOutputTokens: 256,
  prompt,
});
const tools = {
  get_weather: tool({
    description: "Tells the weather of a place.",
    inputSchema: jsonSchema({
      type: "object",
      properties: { location: { type: "string" } },
      required: ["location"],
    }),
    execute: async ({ location }) => `Rain in ${location}.`,
  }),
};
const read = ({ text, toolCalls, finishReason, usage }) => ({
  text,
  calls: toolCalls.map(({ toolName, input }) => [toolName, input]),
  finishReason,
  usage,
});

await tell({
  generate: async (prompt) => read(await generateText(asked(prompt))),
  async stream(prompt) {
    let failure;
    const onError = ({ error }) => (failure = error);
    const stream = streamText({ ...asked(prompt), onError });
    const parts = [];
    for await (const part of stream.fullStream) parts.push(part.type);
    if (failure) throw failure;
    const [text, toolCalls, finishReason, usage] = await Promise.all([
      stream.text,
      stream.toolCalls,
      stream.finishReason,
      stream.usage,
    ]);
    return { parts, ...read({ text, toolCalls, finishReason, usage }) };
  },
  async tools(prompt) {
    const stopWhen = stepCountIs(5);
    const { steps } = await generateText({ ...asked(prompt), tools, stopWhen });
    return steps.map(read);
  },
});
