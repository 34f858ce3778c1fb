import AllocationCounter
import Autodiff
import CPUBackend
import Execution
import Foundation
import Inference
import Priors
import TestSupport
import Testing

/// Neither a training step of a prior nor a token that is drawn allocates anything.
///
/// Each test counts in a process of its own: other tests run beside this one, and they allocate.
struct PriorAllocationTests {
  static let absence = Comment("this platform does not let a program count calls of malloc")

  @Test(.enabled(if: allocation_counter_works() == 1, absence), arguments: 0..<6)
  func aStepAllocatesNothing(_ kind: Int) async {
    await #expect(processExitsWith: .success) { [kind = kind as Int] in
      countStepAllocations(TokenSamplerTests.kinds[kind])
    }
  }

  @Test(.enabled(if: allocation_counter_works() == 1, absence), arguments: 0..<6)
  func aTokenAllocatesNothing(_ kind: Int) async {
    await #expect(processExitsWith: .success) { [kind = kind as Int] in
      countTokenAllocations(TokenSamplerTests.kinds[kind])
    }
  }
}

/// Ends the process: with success if some steps of three lanes, once warm, allocated nothing.
private func countStepAllocations(_ small: TokenSamplerTests.Small) -> Never {
  let (space, lanes) = (small.space, 3)
  let graph = Graph()
  let ids: Shape = [2, space.tokens, space.depth]
  var configuration = small.configuration
  configuration.transformer.dropout = 0.1
  let losses = Prior(configuration, space, in: Scope(graph)).losses(
    classes: graph.input("classes", [2], type: .index),
    entries: graph.input("entries", ids, type: .index),
    targets: graph.input("targets", ids, type: .index),
    dropout: graph.input("keys", [2], type: .index))
  let loss = losses.mean()
  graph.differentiate(loss)
  let run = GraphRun(graph, statistics: ["loss": loss], lanes: lanes, threads: lanes)
  run.parameters.initialize(seed: 1)
  let numbers = UnsafeMutablePointer<Int32>.allocate(capacity: ids.count)
  for index in 0..<ids.count { numbers[index] = Int32(index % space.codes) }
  run.session.feed = { replay in
    for name in ["classes", "entries", "targets", "keys"] { replay.write(name, numbers) }
  }
  let updater = Updater(run.session)
  func step(_ number: Int) {
    run.session.run(items: 6)
    _ = updater.sumGradients()
    let moments = UpdateRule.Moments(
      learningRate: 1e-3, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.01, step: number)
    updater.update(.adamW(moments), gradientScale: 1)
  }
  for number in 1...3 { step(number) }
  let before = run.session.mean("loss")
  allocation_counter_start()
  for number in 4...6 { step(number) }
  let count = allocation_counter_stop()
  let after = run.session.mean("loss")
  if count > 0 { print("\(count) allocations") }
  exit(count == 0 && after < before ? 0 : 1)
}

/// Ends the process: with success if the second image of some sequences allocated nothing.
private func countTokenAllocations(_ small: TokenSamplerTests.Small) -> Never {
  let space = small.space
  let walk = TokenWalk(small.configuration, space, parameters: small.parameters, rows: 4)
  var distribution = TokenDistribution(codes: space.codes)
  let options = SamplingOptions(temperature: 0.9, topK: 5, topP: 0.9)
  var sum = 0
  func image() {
    walk.begin { _ in space.entry(ofClass: nil) }
    for index in 0..<space.ids {
      walk.expect(index)
      for row in 0..<4 {
        distribution.set(walk.logits + row * space.codes, options)
        let id = distribution.id(at: Double(index % 7) / 7)
        sum += Int(id)
        walk.note(id, row, at: index)
      }
    }
  }
  image()
  allocation_counter_start()
  image()
  let count = allocation_counter_stop()
  if count > 0 { print("\(count) allocations") }
  exit(count == 0 && sum > 0 ? 0 : 1)
}
