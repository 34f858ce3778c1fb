import Autodiff
import Execution
import Foundation
import Priors
import Randomness
import Solvers
import Synchronization
import Threads

/// How vectors are drawn.
public struct VectorSamplingOptions: Sendable, Equatable {
  /// The rule of steps.
  public var solver: Solver
  /// The falling noise levels, between which it makes its steps.
  public var levels: [Double]
  /// Whether the first direction is guessed instead of evaluated.
  public var guessesFirst: Bool
  /// How far velocities, or means, are pushed towards the class; 1 is no push.
  public var guidance: Double
  /// What the noise of a gaussian head is multiplied by.
  public var temperature: Double
  /// The start of all random numbers.
  public var seed: UInt64

  /// Describes a drawing.
  public init(
    solver: Solver = .heun, levels: [Double] = NoiseSchedule().levels(steps: 18),
    guessesFirst: Bool = false, guidance: Double = 1, temperature: Double = 1, seed: UInt64 = 0
  ) {
    (self.solver, self.levels, self.guessesFirst) = (solver, levels, guessesFirst)
    (self.guidance, self.temperature, self.seed) = (guidance, temperature, seed)
  }

  /// Evaluations of the head for a vector.
  public var evaluations: Int {
    solver.evaluations(steps: levels.count - 1, guessesFirst: guessesFirst)
  }
}

extension ContinuousPrior {
  /// The layout of a prior's parameters, in which its weights are read.
  public static func parameterLayout(
    _ configuration: ContinuousConfiguration, _ grid: VectorGrid
  ) -> ParameterLayout {
    let graph = Graph()
    _ = ContinuousPrior(configuration, grid, in: Scope(graph))
    return ParameterLayout(graph.parameters)
  }
}

/// Draws the vectors of images with a continuous prior.
public final class VectorSampler<B: Backend> {
  /// What the vectors are.
  public let grid: VectorGrid
  private let configuration: ContinuousConfiguration
  private let parameters: ParameterMemory<B>
  private let lanes: Int
  private let threads: Int
  /// The places of the grid in the order of the sequence.
  private let places: [Int]
  /// A walk a lane, and for how many rows.
  private var walks: [VectorWalk<B>] = []
  /// What knows the steps of a solver that learned them: a lane's own.
  private let planner: ((_ rows: Int) -> StepPlanner<B>)?
  private var planners: [StepPlanner<B>] = []

  /// The most sequences that a lane goes through at a time: as many as a product of few rows is made for.
  private static var mostRows: Int { 16 }

  /// A sampler over weights, which do not change any more.
  ///
  /// - Parameters:
  ///   - lanes: groups of images that are gone through side by side.
  ///   - threads: how many of them at once.
  ///   - planner: makes what knows the steps of `amed`, for a number of rows.
  public init(
    _ configuration: ContinuousConfiguration, _ grid: VectorGrid, parameters: ParameterMemory<B>,
    lanes: Int, threads: Int, planner: ((_ rows: Int) -> StepPlanner<B>)? = nil
  ) {
    (self.configuration, self.grid, self.parameters) = (configuration, grid, parameters)
    (self.lanes, self.threads, self.planner) = (lanes, threads, planner)
    places = configuration.transformer.order.places(rows: grid.rows, columns: grid.columns)
  }

  /// An image that is to be drawn.
  public struct Request: Sendable, Equatable {
    /// Its number, which tells its random numbers from those of others.
    public var number: Int
    /// Its class; nil for none.
    public var label: Int?
    /// Vectors of its first rows that are given, `[rows, columns, numbers]`; empty for none.
    public var given: [Float]

    /// An image.
    public init(number: Int, label: Int? = nil, given: [Float] = []) {
      (self.number, self.label, self.given) = (number, label, given)
    }
  }

  /// Plans the steps and arranges the weights for so many images, as the first drawing would do.
  public func prepare(images: Int, guidance: Double = 1) {
    guard images > 0 else { return }
    let copies = guidance != 1 ? 2 : 1
    makeWalks(rows: rows(for: images, copies: copies) * copies)
    walks.first?.prepare()
  }

  /// Draws images: of each the vectors `[rows, columns, numbers]`.
  ///
  /// An image is a function of the weights, the options and its request alone: not of those that are
  /// drawn with it, nor of lanes or threads.
  ///
  /// - Parameters:
  ///   - progress: called with the images done so far, one call at a time.
  ///   - shouldStop: asked at each place, from any thread; where it says so, the images that are whole are
  ///     returned, up to the first that is not.
  public func sample(
    _ requests: [Request], _ options: VectorSamplingOptions,
    progress: @escaping (_ done: Int) -> Void = { _ in },
    shouldStop: @escaping @Sendable () -> Bool = { false }
  ) -> [[Float]] {
    guard !requests.isEmpty else { return [] }
    // With guidance each image has a second sequence, without its class.
    let copies = options.guidance != 1 ? 2 : 1
    let images = rows(for: requests.count, copies: copies)
    makeWalks(rows: images * copies)
    let groups = (requests.count + images - 1) / images
    let lanes = min(lanes, groups)
    let (grid, places, isGaussian) = (grid, places, configuration.head.diffusion == nil)
    let done = Mutex([Int: [Float]]())
    // Each lane has a walk of its own, and progress is told by one at a time.
    nonisolated(unsafe) let (walks, planners, progress) = (walks, planners, progress)
    concurrently(lanes, threads: threads) { lane in
      let drawing = GroupDrawing(
        walks[lane], planner: planners.isEmpty ? nil : planners[lane], options, copies: copies,
        isGaussian: isGaussian)
      for group in stride(from: lane, to: groups, by: lanes) {
        let range = group * images..<min((group + 1) * images, requests.count)
        guard
          let drawn = drawing.draw(
            Array(requests[range]), places: places, grid, shouldStop: shouldStop)
        else { return }
        done.withLock { done in
          for (index, vectors) in zip(range, drawn) { done[index] = vectors }
          progress(done.count)
        }
      }
    }
    return done.withLock { done in
      (0..<requests.count).prefix { done[$0] != nil }.map { done[$0]! }
    }
  }

  /// The states of vectors on their way from noise, those of the first places of an image: of each vector a
  /// state a level, `[numbers]`.
  public func trajectories(
    of requests: [Request], _ options: VectorSamplingOptions, places count: Int
  ) -> [[[Double]]] {
    let walk = VectorWalk(
      configuration, grid, parameters: parameters, rows: requests.count)
    let drawing = GroupDrawing(walk, planner: nil, options, copies: 1, isGaussian: false)
    var all: [[[Double]]] = []
    drawing.record = { level, states in
      if level == 0 { all += Array(repeating: [], count: requests.count) }
      let first = all.count - requests.count
      for row in requests.indices {
        all[first + row].append(
          (0..<self.grid.numbers).map { states[row * self.grid.numbers + $0] })
      }
    }
    _ = drawing.draw(requests, places: Array(places.prefix(count)), grid) { false }
    return all
  }

  /// Images that a lane draws at a time: as many as there is use for.
  private func rows(for images: Int, copies: Int) -> Int {
    min(Self.mostRows / copies, (images + lanes - 1) / lanes)
  }

  /// Walks through so many sequences, one for each lane, whose memory is kept.
  private func makeWalks(rows: Int) {
    guard walks.first?.rows != rows else { return }
    (walks, planners) = ([], [])
    for _ in 0..<lanes {
      walks.append(
        VectorWalk(configuration, grid, parameters: parameters, rows: rows, besides: walks.first))
      if let planner { planners.append(planner(rows)) }
    }
  }
}

/// Draws a few images at once, in a lane's own thread.
private final class GroupDrawing<B: Backend> {
  private let walk: VectorWalk<B>
  private let planner: StepPlanner<B>?
  private let options: VectorSamplingOptions
  private let copies: Int
  private let isGaussian: Bool
  private let integration: Integration
  private let random: Generator
  /// Called with the states before the first step, and after each: 0 at first.
  var record: ((_ level: Int, _ states: UnsafePointer<Double>) -> Void)?

  init(
    _ walk: VectorWalk<B>, planner: StepPlanner<B>?, _ options: VectorSamplingOptions,
    copies: Int, isGaussian: Bool
  ) {
    (self.walk, self.planner, self.options) = (walk, planner, options)
    (self.copies, self.isGaussian) = (copies, isGaussian)
    integration = Integration(rows: walk.rows / copies, width: walk.grid.numbers)
    random = Generator(seed: options.seed).split(named: "sample")
  }

  /// The vectors of each image; nil where someone asked to stop.
  func draw(
    _ requests: [VectorSampler<B>.Request], places: [Int], _ grid: VectorGrid,
    shouldStop: () -> Bool
  ) -> [[Float]]? {
    let (numbers, states) = (grid.numbers, integration.states)
    var images = requests.map { _ in [Float](repeating: 0, count: grid.count) }
    walk.begin { row in
      let image = row / copies
      let label = image < requests.count && row % copies == 0 ? requests[image].label : nil
      return grid.entry(ofClass: label)
    }
    for (index, place) in places.enumerated() {
      if shouldStop() { return nil }
      walk.expect()
      let given = place * numbers
      if requests.contains(where: { $0.given.count <= given }) {
        for row in 0..<integration.rows {
          let request = requests[min(row, requests.count - 1)]
          var chance = random.split(UInt64(request.number)).split(UInt64(index))
          for i in 0..<numbers { states[row * numbers + i] = Double(chance.normal()) }
        }
        if isGaussian { drawNormally(numbers) } else { solve(numbers) }
      }
      for (image, request) in requests.enumerated() {
        for i in 0..<numbers {
          let x =
            request.given.count > given
            ? request.given[given + i] : Float(states[image * numbers + i])
          images[image][given + i] = x
          for copy in 0..<copies { walk.note(x, image * copies + copy, number: i) }
        }
      }
    }
    return images
  }

  /// Turns noise into normally distributed vectors about the predictions.
  private func drawNormally(_ numbers: Int) {
    let (states, walk) = (integration.states, walk)
    for row in 0..<integration.rows {
      for i in 0..<numbers {
        let own = row * copies * numbers + i
        var mean = Double(walk.mean[own])
        if copies > 1 {
          let none = Double(walk.mean[own + numbers])
          mean = none + options.guidance * (mean - none)
        }
        let noise = states[row * numbers + i] * options.temperature
        states[row * numbers + i] = mean + noise * Double(walk.deviation[own])
      }
    }
  }

  /// Takes the noise away, from the largest level to the smallest.
  private func solve(_ numbers: Int) {
    let (walk, copies, guidance) = (walk, copies, options.guidance)
    let states = integration.states
    for i in 0..<integration.rows * numbers { states[i] *= options.levels[0] }
    planner?.plan(UnsafePointer(walk.known))
    record?(0, UnsafePointer(states))
    integration.run(
      options.solver, through: options.levels, guessesFirst: options.guessesFirst,
      learned: { [planner] step, row in
        planner?.step(step, row: row * copies) ?? LearnedStep()
      },
      didStep: { [record] step in record?(step + 1, UnsafePointer(states)) }
    ) { states, times, velocities in
      let found = walk.velocity(
        { Float(states[$0 / copies * numbers + $1]) },
        logLevel: { Float(log(times[$0 / copies])) })
      for row in 0..<self.integration.rows {
        for i in 0..<numbers {
          let own = row * copies * numbers + i
          var v = Double(found[own])
          if copies > 1 {
            let none = Double(found[own + numbers])
            v = none + guidance * (v - none)
          }
          velocities[row * numbers + i] = v
        }
      }
    }
  }
}

/// The steps of a solver that learned them, for a few rows at once; it belongs to one thread.
public final class StepPlanner<B: Backend> {
  private let session: Session<B>
  private let known, r, c: UnsafeMutablePointer<Float>
  private let rows, channels, steps: Int

  /// Plans the predictor.
  public init(
    _ configuration: PredictorConfiguration, steps: Int, channels: Int,
    parameters: ParameterMemory<B>, rows: Int
  ) {
    (self.rows, self.channels, self.steps) = (rows, channels, steps)
    let graph = Graph()
    let predictor = StepPredictor(
      configuration, steps: steps, known: channels, in: Scope(graph)["predictor"])
    let found = predictor(graph.input("known", [rows, channels]))
    session = Session(
      Plan(graph, outputs: ["r": found.r, "c": found.c], on: parameters.backend),
      parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    (known, r, c) = (
      .allocate(capacity: rows * channels), .allocate(capacity: rows * steps),
      .allocate(capacity: rows * steps)
    )
    let (known, r, c) = (known, r, c)
    session.feed = { $0.write("known", known) }
    session.collect = { replay in
      replay.read("r", intoWords: r)
      replay.read("c", intoWords: c)
    }
  }

  deinit { for buffer in [known, r, c] { buffer.deallocate() } }

  /// The layout of a predictor's parameters, in which its weights are read.
  public static func parameterLayout(
    _ configuration: PredictorConfiguration, steps: Int, channels: Int
  ) -> ParameterLayout {
    let graph = Graph()
    _ = StepPredictor(configuration, steps: steps, known: channels, in: Scope(graph)["predictor"])
    return ParameterLayout(graph.parameters)
  }

  /// Computes the steps of rows of which this is known, `[rows, channels]`.
  func plan(_ known: UnsafePointer<Float>) {
    self.known.update(from: known, count: rows * channels)
    session.run(items: 1)
  }

  /// A step of a row.
  func step(_ step: Int, row: Int) -> LearnedStep {
    LearnedStep(r: Double(r[row * steps + step]), c: Double(c[row * steps + step]))
  }
}
