import Autodiff
import CPUBackend
import Execution
import TestSupport
import Testing

/// What an update tells of itself, against the same numbers from copies of everything.
struct UpdateMeasurementTests {
  private struct Trial {
    let run: GraphRun
    let updater: Updater<CPUBackend>

    /// A small tokenizer under SGD, its gradients summed over some lanes.
    init(lanes: Int) {
      let small = SmallTokenizer.all[1]
      run = small.run(lanes: lanes, threads: lanes, items: 3)
      run.parameters.initialize(seed: 4)
      updater = Updater(run.session)
    }

    /// Measures gradients on three images of a seed.
    func measure(_ seed: Int) -> Double {
      let count = SmallTokenizer.all[1].imageCount
      let pixels = HashedNumbers.values("images \(seed)", count: 3 * count)
      run.session.feed = { replay in
        pixels.withUnsafeBufferPointer {
          replay.write("images", $0.baseAddress! + replay.item * count)
        }
      }
      run.session.run(items: 3)
      return updater.sumGradients()
    }

    func block(_ block: ParameterBlock) -> [[Double]] {
      run.parameters.layout.parameters.indices.map {
        run.parameters.read(parameter: $0, of: block).map(Double.init)
      }
    }

    /// The summed gradients: a step of momentum SGD with no step size leaves them in the moment.
    func gradients() -> [[Double]] {
      for index in run.parameters.layout.parameters.indices {
        let zeros = [Float](
          repeating: 0, count: run.parameters.layout.parameters[index].shape.count)
        run.parameters.write(zeros, toParameter: index, of: .firstMoment)
      }
      updater.update(
        .sgd(learningRate: 0, momentum: 0.5, nesterov: false, decay: 0), gradientScale: 1)
      return block(.firstMoment)
    }
  }

  private static let rule = UpdateRule.sgd(
    learningRate: 0.05, momentum: 0, nesterov: false, decay: 0.01)

  @Test(arguments: [1, 2, 3]) func motionsAndDirections(lanes: Int) {
    let trial = Trial(lanes: lanes)
    trial.run.parameters.copy(.values, to: .origin)
    _ = trial.measure(0)
    trial.updater.update(Self.rule, gradientScale: 1)

    _ = trial.measure(1)
    let (origin, before) = (trial.block(.origin), trial.block(.values))
    let gradients = trial.gradients()
    _ = trial.measure(1)
    var request = UpdateRequest(Self.rule)
    (request.measuresMotion, request.measuresDirections) = (true, true)
    let measured = trial.updater.update(request)
    let after = trial.block(.values)

    let motions = zip(before, after).map { zip($0, $1).map { $0 - $1 } }
    expect(measured.motion, equals: motions.reduce(0) { $0 + product($1, $1) })
    expect(measured.length, equals: after.reduce(0) { $0 + product($1, $1) })
    let apart = zip(origin, after).map { zip($0, $1).map { $0 - $1 } }
    expect(measured.displacement, equals: apart.reduce(0) { $0 + product($1, $1) })
    #expect(measured.directions.count == before.count)
    #expect(measured.motion > 0 && measured.displacement > measured.motion)
    for (index, direction) in measured.directions.enumerated() {
      expect(direction.motion, equals: product(motions[index], motions[index]))
      expect(direction.gradient, equals: product(gradients[index], gradients[index]))
      expect(direction.product, equals: product(motions[index], gradients[index]))
    }
  }

  @Test(arguments: [1, 2]) func gradientsOfTwoSteps(lanes: Int) {
    let trial = Trial(lanes: lanes)
    _ = trial.measure(0)
    let first = trial.gradients()
    _ = trial.measure(0)
    var request = UpdateRequest(Self.rule)
    request.keepsGradient = true
    #expect(trial.updater.update(request).directions.isEmpty)
    _ = trial.measure(1)
    let second = trial.gradients()
    _ = trial.measure(1)
    request.keepsGradient = false
    request.comparesGradients = true
    let measured = trial.updater.update(request)
    #expect(measured.directions.count == first.count)
    for (index, direction) in measured.directions.enumerated() {
      expect(direction.keptGradient, equals: product(first[index], first[index]))
      expect(direction.keptProduct, equals: product(first[index], second[index]))
    }
  }

  /// An average is of the weights before each update, and watching changes no bit of training.
  @Test func averagesAreOfTheWeightsBeforeUpdates() {
    let (watched, plain) = (Trial(lanes: 2), Trial(lanes: 2))
    watched.run.parameters.copy(.values, to: .origin)
    var sums = watched.block(.values).map { $0.map { _ in 0.0 } }
    for step in 1...5 {
      #expect(watched.measure(step) == plain.measure(step))
      for (index, values) in watched.block(.values).enumerated() {
        for (place, value) in values.enumerated() { sums[index][place] += value }
      }
      var request = UpdateRequest(Self.rule)
      request.averages = [
        .init(name: "uniform", share: 1 / Double(step)), .init(name: "last", share: 1),
      ]
      request.measuresMotion = true
      request.measuresDirections = true
      request.keepsGradient = true
      request.comparesGradients = step > 1
      watched.updater.update(request)
      plain.updater.update(Self.rule, gradientScale: 1)
      #expect(watched.block(.values) == plain.block(.values))
    }
    for (sum, average) in zip(sums, watched.block(.average("uniform"))) {
      for (sum, average) in zip(sum, average) { #expect(abs(average - sum / 5) < 1e-6) }
    }
    let last = watched.block(.average("last"))
    #expect(last != watched.block(.values))
    let values = watched.block(.values)
    watched.run.parameters.exchange(.values, .average("last"))
    #expect(watched.block(.values) == last && watched.block(.average("last")) == values)
  }

  /// Two moves of an average in one pass are, bit by bit, a move at each update; and motions are told
  /// alike where parameters are held.
  @Test(arguments: [1, 2]) func heldParametersAreAveragedAllTheSame(lanes: Int) {
    let (held, eager) = (Trial(lanes: lanes), Trial(lanes: lanes))
    for trial in [held, eager] { trial.run.parameters.copy(.values, to: .origin) }
    for step in 1...5 {
      #expect(held.measure(step) == eager.measure(step))
      let share = 1 / Double(step)
      var request = UpdateRequest(Self.rule)
      request.measuresMotion = true
      request.measuresDirections = true
      var holding = request
      request.averages = [.init(name: "uniform", share: share)]
      if step.isMultiple(of: 2) {
        holding.averages = [.init(name: "uniform", share: share, heldShare: 1 / Double(step - 1))]
      } else {
        holding.holdsParameters = true
      }
      #expect(held.updater.update(holding) == eager.updater.update(request))
    }
    #expect(held.block(.average("uniform")) != eager.block(.average("uniform")))
    held.run.parameters.moveAverage("uniform", towards: .held, share: 1 / 5)
    for block in [ParameterBlock.values, .average("uniform"), .averageRest("uniform")] {
      #expect(held.block(block) == eager.block(block))
    }
  }

  /// Plain gradient descent, as the optimizer applies it to floats, against two theorems about it.
  ///
  /// The regret identity `2 sum eta <g_t, theta_t - phi> = |theta_1 - phi|^2 - |theta_(T+1) - phi|^2 + sum
  /// eta^2 |g_t|^2` for any `phi`, and the duality of averaging and linear decay: the mean of
  /// `theta_1 ... theta_T` is `theta_1 - sum eta (1 - t / T) g_t`, the last iterate of a rate that decays.
  @Test func plainGradientDescentKeepsItsIdentities() {
    let (trial, other) = (Trial(lanes: 2), Trial(lanes: 1))
    other.run.parameters.initialize(seed: 99)
    let (phi, first) = (other.block(.values), trial.block(.values))
    let (steps, rate) = (30, Double(Float(0.05)))
    let rule = UpdateRule.sgd(learningRate: 0.05, momentum: 0, nesterov: false, decay: 0)
    var (regret, squares) = (0.0, 0.0)
    var decayed = first
    for step in 1...steps {
      _ = trial.measure(step)
      let (before, gradients) = (trial.block(.values), trial.gradients())
      for index in before.indices {
        let away = zip(before[index], phi[index]).map { $0 - $1 }
        regret += 2 * rate * product(gradients[index], away)
        squares += rate * rate * product(gradients[index], gradients[index])
        let share = rate * (1 - Double(step) / Double(steps))
        for place in gradients[index].indices {
          decayed[index][place] -= share * gradients[index][place]
        }
      }
      _ = trial.measure(step)
      var request = UpdateRequest(rule)
      request.averages = [.init(name: "uniform", share: 1 / Double(step))]
      trial.updater.update(request)
    }
    func squaredDistance(_ a: [[Double]], _ b: [[Double]]) -> Double {
      zip(a, b).reduce(0) { sum, pair in
        let apart = zip(pair.0, pair.1).map { $0 - $1 }
        return sum + product(apart, apart)
      }
    }
    let last = trial.block(.values)
    let geometry = squaredDistance(first, phi) - squaredDistance(last, phi) + squares
    #expect(abs(regret - geometry) < 1e-6 * squaredDistance(first, phi), "\(regret), \(geometry)")
    // The parts are not small against the whole: the identity is put to the test.
    #expect(abs(regret) > 1e-3 * squaredDistance(first, phi) && squares > 0)
    let average = trial.block(.average("uniform"))
    #expect(squaredDistance(average, decayed) < 1e-10 * squaredDistance(first, last))
    #expect(squaredDistance(average, last) > 0.01 * squaredDistance(first, last))
  }

  private func product(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// Sums that are taken in another order, and products of differences of floats.
  private func expect(
    _ measured: Double, equals exact: Double, at location: SourceLocation = #_sourceLocation
  ) {
    #expect(
      abs(measured - exact) <= 1e-9 * abs(exact) + 1e-13, "\(measured), not \(exact)",
      sourceLocation: location)
  }
}
