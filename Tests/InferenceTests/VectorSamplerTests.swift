import AllocationCounter
import Autodiff
import CPUBackend
import Execution
import Foundation
import Inference
import Priors
import Solvers
import Synchronization
import TestSupport
import Testing

/// Drawing vectors with a continuous prior of random weights.
struct VectorSamplerTests {
  /// A prior of a few thousand weights.
  struct Small {
    let configuration: ContinuousConfiguration
    let grid: VectorGrid
    let parameters: ParameterMemory<CPUBackend>

    init(
      isGaussian: Bool = false, positions: TransformerConfiguration.Positions = .rope,
      order: TokenOrder = .raster, classes: Int = 3
    ) {
      configuration = ContinuousConfiguration(
        transformer: TransformerConfiguration(
          width: 24, layers: 2, heads: 2, positions: positions, order: order),
        head: isGaussian
          ? .gaussian(GaussianHeadConfiguration())
          : .diffusion(DiffusionHeadConfiguration(width: 20, layers: 2, levels: 3)))
      grid = VectorGrid(rows: 3, columns: 4, numbers: 5, classes: classes)
      let layout = ContinuousPrior.parameterLayout(configuration, grid)
      parameters = ParameterMemory(layout, on: CPUBackend())
      // Weights so large that the next vector depends on those before it.
      for (index, parameter) in layout.parameters.enumerated() {
        let isScale = parameter.name.contains("norm")
        let numbers = HashedNumbers.values(
          parameter.name, count: parameter.shape.count,
          amplitude: parameter.name.contains("embedding") ? 2 : 0.5)
        parameters.write(numbers.map { isScale ? 1 + $0 / 4 : $0 }, toParameter: index)
      }
    }

    func sampler(
      lanes: Int = 2, threads: Int = 2, planner: ((Int) -> StepPlanner<CPUBackend>)? = nil
    ) -> VectorSampler<CPUBackend> {
      VectorSampler(
        configuration, grid, parameters: parameters, lanes: lanes, threads: threads,
        planner: planner)
    }

    var places: [Int] {
      configuration.transformer.order.places(rows: grid.rows, columns: grid.columns)
    }
  }

  /// What a head sees of a level is remembered where all rows have it: velocities are those of each row alone,
  /// whatever levels came before.
  @Test func rememberedLevelsAreThoseOfEachRow() {
    let small = Small()
    let (walk, numbers) = (
      VectorWalk(small.configuration, small.grid, parameters: small.parameters, rows: 2), 5
    )
    func state(_ row: Int, _ number: Int) -> Float { Float(row + 2 * number) / 4 - 1 }
    walk.begin { Int32($0) }
    walk.expect()
    let rounds: [[Float]] = [[1, 1], [-2, -2], [1, 1], [-2, 1], [1, -2], [-2, -2]]
    for levels in rounds {
      let found = Array(
        UnsafeBufferPointer(
          start: walk.velocity(state, logLevel: { levels[$0] }), count: 2 * numbers))
      for row in 0..<2 {
        let alone = VectorWalk(
          small.configuration, small.grid, parameters: small.parameters, rows: 1)
        alone.begin { _ in Int32(row) }
        alone.expect()
        let expected = alone.velocity({ _, number in state(row, number) }) { _ in levels[row] }
        for number in 0..<numbers {
          let (a, b) = (found[row * numbers + number], expected[number])
          #expect(abs(a - b) < 1e-5 * (1 + abs(b)), "\(levels), row \(row): \(a), \(b)")
        }
      }
    }
  }

  static var kinds: [Small] {
    [
      Small(), Small(positions: .rope2d, order: .spiral), Small(isGaussian: true),
      Small(classes: 0),
    ]
  }

  private typealias Request = VectorSampler<CPUBackend>.Request
  private let few = VectorSamplingOptions(levels: NoiseSchedule().levels(steps: 4), seed: 3)

  /// What a place knows, by a cache, is what one pass over the whole sequence says.
  @Test(arguments: 0..<4) func stepsAndWholeSequencesAgree(_ kind: Int) {
    let small = Self.kinds[kind]
    let grid = small.grid
    let graph = Graph()
    let prior = ContinuousPrior(small.configuration, grid, in: Scope(graph))
    let known = prior.known(
      classes: graph.input("classes", [3], type: .index),
      vectors: graph.input("vectors", [3, grid.vectors, grid.numbers]))
    let run = GraphRun(graph, outputs: ["known": known])
    for (index, parameter) in small.parameters.layout.parameters.enumerated() {
      run.set(parameter.name, small.parameters.read(parameter: index))
    }
    let vectors = HashedNumbers.values("vectors", count: 3 * grid.count)
    let classes = [0, grid.classes, max(0, grid.classes - 1)]
    let whole = run.run { _ in ["classes": classes.map(Float.init), "vectors": vectors] }["known"]!

    let walk = VectorWalk(small.configuration, grid, parameters: small.parameters, rows: 3)
    walk.begin { Int32(classes[$0]) }
    for place in 0..<grid.vectors {
      walk.expect()
      for row in 0..<3 {
        for channel in 0..<24 {
          let expected = whole[(row * grid.vectors + place) * 24 + channel]
          #expect(abs(walk.known[row * 24 + channel] - expected) < 1e-4 * (1 + abs(expected)))
        }
        for i in 0..<grid.numbers {
          walk.note(vectors[row * grid.count + place * grid.numbers + i], row, number: i)
        }
      }
    }
  }

  /// An image depends on its request alone.
  @Test(arguments: 0..<4) func imagesDoNotDependOnThoseBesideThem(_ kind: Int) {
    let small = Self.kinds[kind]
    let requests = (0..<37).map {
      Request(number: $0, label: small.grid.classes > 0 ? $0 % 3 : nil)
    }
    let all = small.sampler().sample(requests, few)
    #expect(Set(all).count == 37 && all.joined().allSatisfy(\.isFinite))
    #expect(small.sampler(lanes: 1, threads: 1).sample(requests, few) == all)
    #expect(small.sampler(lanes: 3, threads: 2).sample(requests, few) == all)
    for index in [0, 5, 36] {
      #expect(small.sampler().sample([requests[index]], few) == [all[index]])
    }
    var other = few
    other.seed = 4
    #expect(small.sampler().sample(requests, other) != all)
  }

  /// With guidance 0 the class has no say.
  @Test(arguments: [0, 2]) func guidanceOfNothingIsNoClass(_ kind: Int) {
    let small = Self.kinds[kind]
    func draw(_ guidance: Double, label: Int?) -> [[Float]] {
      var options = few
      options.guidance = guidance
      return small.sampler().sample((0..<20).map { Request(number: $0, label: label) }, options)
    }
    let (none, pushed) = (draw(1, label: nil), draw(0, label: 1))
    for (a, b) in zip(none.joined(), pushed.joined()) { #expect(abs(a - b) < 1e-4 * (1 + abs(a))) }
    #expect(draw(3, label: 1) != draw(1, label: 1))
  }

  /// Given vectors stay, and what follows is drawn after them.
  @Test func givenVectorsStay() {
    let small = Self.kinds[0]
    let whole = small.sampler().sample([Request(number: 7, label: 0)], few)[0]
    let half = Array(whole.prefix(6 * small.grid.numbers))
    let again = small.sampler().sample([Request(number: 7, label: 0, given: half)], few)[0]
    #expect(again == whole)
    let zeros = [Float](repeating: 0, count: 6 * small.grid.numbers)
    let other = small.sampler().sample([Request(number: 7, label: 0, given: zeros)], few)[0]
    #expect(Array(other.prefix(zeros.count)) == zeros && other != whole)
  }

  @Test func drawingStopsWhereAsked() {
    let asked = Atomic(0)
    let images = Self.kinds[0].sampler(lanes: 1, threads: 1).sample(
      (0..<40).map { Request(number: $0) }, few,
      shouldStop: { asked.add(1, ordering: .relaxed).newValue > 15 })
    #expect(images.count == 16)
  }

  /// A gaussian head without noise is its mean; with it, its own deviation.
  @Test func temperatureScalesTheNoise() {
    let small = Self.kinds[2]
    func draw(_ temperature: Double, count: Int) -> [[Float]] {
      var options = few
      options.temperature = temperature
      return small.sampler().sample((0..<count).map { Request(number: $0, label: 0) }, options)
    }
    #expect(Set(draw(0, count: 5)).count == 1)
    let mean = draw(0, count: 1)[0][0]
    let first = draw(1, count: 4000).map { Double($0[0] - mean) }
    let index = small.parameters.layout.index(of: "head.log_deviation")!
    let deviation = exp(Double(small.parameters.read(parameter: index)[0]))
    let found = (first.reduce(0) { $0 + $1 * $1 } / 4000).squareRoot()
    #expect(abs(found / deviation - 1) < 0.05)
  }

  /// A solver that learned nothing yet is the one of second order at the geometric mean.
  @Test func untrainedStepsAreThoseOfAHalf() {
    let small = Self.kinds[0]
    for configuration in PredictorConfiguration.allCases {
      let parameters = ParameterMemory(
        StepPlanner<CPUBackend>.parameterLayout(configuration, steps: 4, channels: 24),
        on: CPUBackend())
      parameters.initialize(seed: 1)
      let sampler = small.sampler { rows in
        StepPlanner(configuration, steps: 4, channels: 24, parameters: parameters, rows: rows)
      }
      let requests = (0..<9).map { Request(number: $0, label: $0 % 3) }
      var (amed, half) = (few, few)
      (amed.solver, half.solver) = (.amed, .dpm2(r: 0.5))
      let (a, b) = (sampler.sample(requests, amed), small.sampler().sample(requests, half))
      for (a, b) in zip(a.joined(), b.joined()) { #expect(abs(a - b) < 1e-4 * (1 + abs(a))) }
    }
  }

  // MARK: Allocations

  @Test(
    .enabled(if: allocation_counter_works() == 1, PriorAllocationTests.absence), arguments: 0..<4)
  func aVectorAllocatesNothing(_ kind: Int) async {
    await #expect(processExitsWith: .success) { [kind = kind as Int] in
      countVectorAllocations(VectorSamplerTests.kinds[kind])
    }
  }

  @Test(
    .enabled(if: allocation_counter_works() == 1, PriorAllocationTests.absence), arguments: 0..<4)
  func aStepAllocatesNothing(_ kind: Int) async {
    await #expect(processExitsWith: .success) { [kind = kind as Int] in
      countContinuousStepAllocations(VectorSamplerTests.kinds[kind])
    }
  }
}

/// Ends the process: with success if some steps of three lanes, once warm, allocated nothing.
private func countContinuousStepAllocations(_ small: VectorSamplerTests.Small) -> Never {
  let (grid, lanes) = (small.grid, 3)
  let graph = Graph()
  var configuration = small.configuration
  configuration.transformer.dropout = 0.1
  let loss = ContinuousPrior(configuration, grid, in: Scope(graph)).losses(
    classes: graph.input("classes", [2], type: .index),
    vectors: graph.input("vectors", [2, grid.vectors, grid.numbers]),
    noiseKeys: graph.input("noise", [2], type: .index),
    dropout: graph.input("keys", [2], type: .index)
  ).loss
  graph.differentiate(loss)
  let run = GraphRun(graph, statistics: ["loss": loss], lanes: lanes, threads: lanes)
  run.parameters.initialize(seed: 1)
  let numbers = UnsafeMutablePointer<Float>.allocate(capacity: 2 * grid.count)
  for index in 0..<2 * grid.count { numbers[index] = Float(index % 7) / 7 - 0.5 }
  let keys = UnsafeMutablePointer<Int32>.allocate(capacity: 2)
  (keys[0], keys[1]) = (0, 0)
  run.session.feed = { replay in
    for name in ["classes", "noise", "keys"] { replay.write(name, keys) }
    replay.write("vectors", numbers)
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
private func countVectorAllocations(_ small: VectorSamplerTests.Small) -> Never {
  let grid = small.grid
  let walk = VectorWalk(small.configuration, grid, parameters: small.parameters, rows: 4)
  let integration = Integration(rows: 4, width: grid.numbers)
  let levels = NoiseSchedule().levels(steps: 3)
  var sum: Float = 0
  func image() {
    walk.begin { _ in grid.entry(ofClass: nil) }
    for _ in 0..<grid.vectors {
      walk.expect()
      for i in 0..<4 * grid.numbers { integration.states[i] = Double(i % 5) - 2 }
      if small.configuration.head.diffusion != nil {
        integration.run(.heun, through: levels) { states, times, velocities in
          let found = walk.velocity(
            { Float(states[$0 * grid.numbers + $1]) }, logLevel: { Float(log(times[$0])) })
          for i in 0..<4 * grid.numbers { velocities[i] = Double(found[i]) }
        }
      }
      for row in 0..<4 {
        for i in 0..<grid.numbers {
          let x = Float(integration.states[row * grid.numbers + i])
          sum += abs(x)
          walk.note(x, row, number: i)
        }
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
