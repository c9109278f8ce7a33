// Decides the simulations that come in, one JSON object a line, and writes the
// result of each on a line.
import { createInterface } from 'node:readline'
import { runSimulation } from '@cloud-copilot/iam-simulate'

for await (const line of createInterface({ input: process.stdin })) {
  let answer
  try {
    const response = await runSimulation(JSON.parse(line), {})
    answer = response.resultType === 'error'
      ? { error: response.errors.message, details: response.errors }
      : { result: response.overallResult ?? response.result?.analysis?.result ?? response.analysis?.result, ignored: response.result?.ignoredContextKeys ?? [] }
    if (!answer.error && !answer.result) answer.raw = response
  } catch (e) {
    answer = { error: String(e) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
