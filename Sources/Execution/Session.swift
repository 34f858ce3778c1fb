import Autodiff
import Ranks
import Synchronization

/// Replays a plan in lanes.
///
/// A lane is one thread's worth of work: it replays the plan on its own micro-batches, in its
/// own arena, and sums gradients in its own memory. Statistics are summed over replays and then
/// over lanes in a fixed order, in double precision. After the first run, a run allocates
/// nothing.
///
/// The lanes may be those of several processes, each with as many of them: all run the same, and every
/// one gets the sums over all lanes, in the same order. So results do not depend on how many processes
/// there are.
public final class Session<B: Backend>: IndexedWork, @unchecked Sendable {
  // Unchecked: lanes touch only their own memories during a run, and `run` returns when all
  // are done.

  /// The program.
  public let plan: Plan
  /// The weights.
  public let parameters: ParameterMemory<B>
  /// The number of lanes, of all processes together.
  public let lanes: Int
  /// The lanes of this process.
  public let ownLanes: Range<Int>
  /// The processes that share the lanes; nil for one by itself.
  public let group: ProcessGroup?
  /// The threads that execute them.
  public var threads: Int { pool.threads }
  /// The device.
  public let backend: B

  /// Writes the inputs of one replay.
  ///
  /// Called in the lane's own thread.
  public var feed: (Replay) -> Void = { _ in }
  /// Reads the outputs of one replay.
  ///
  /// Called in the lane's own thread.
  public var collect: (Replay) -> Void = { _ in }
  /// Asked before each replay, in the lane's own thread: if it returns true, the run ends early and
  /// its results are invalid.
  public var isCancelled: (() -> Bool)?
  /// Where the time goes, if anyone asks: a trace of this session's plan and lanes.
  public var trace: Trace?

  /// One replay, as its lane's closures see it.
  public struct Replay {
    /// The lane, of those of this process, from 0.
    public let lane: Int
    /// The micro-batch within this run, from 0, over all lanes.
    public let item: Int
    let session: Session

    /// Writes an input; one that the plan does not need is skipped.
    public func write(_ name: String, _ numbers: UnsafePointer<Float>) {
      session.write(name, numbers, lane: lane)
    }

    /// Writes an input of indices.
    public func write(_ name: String, _ indices: UnsafePointer<Int32>) {
      session.write(name, indices, lane: lane)
    }

    /// Writes an input of floats or of indices.
    public func write(_ name: String, words: UnsafeRawPointer) {
      session.write(name, words, lane: lane)
    }

    /// Writes one element of an input's outermost extent: an image of a batch, of floats or indices.
    public func write(_ name: String, element: Int, words: UnsafeRawPointer) {
      session.write(name, words, lane: lane, element: element)
    }

    /// The words of an input; nil where the plan does not need it.
    public func words(ofInput name: String) -> Int? { session.plan.inputs[name]?.shape.count }

    /// The words of an output.
    public func words(ofOutput name: String) -> Int { session.plan.outputs[name]!.shape.count }

    /// Reads an output, of floats or of indices.
    public func read(_ name: String, intoWords words: UnsafeMutableRawPointer) {
      session.read(name, into: words, lane: lane)
    }

    /// Reads one element of an output's outermost extent: what came of one image of a batch.
    public func read(_ name: String, element: Int, intoWords words: UnsafeMutableRawPointer) {
      session.read(name, into: words, lane: lane, element: element)
    }
  }

  /// What sends gradients to other processes while lanes replay; nil where nobody sums them.
  weak var exchange: GradientExchange<B>?

  /// The threads that execute the lanes.
  public let pool: LanePool
  let memories: [Memories<B.Memory>]
  private let sharesPrepared: Bool
  /// The kernels of the plan's instructions, lane by lane.
  private let kernels: [[Kernel]]
  private let preparationKernels: [Kernel]
  /// The kernels of the threads that replay an item of the first lane together; none where one thread does
  /// as well.
  private lazy var teamKernels: [[Kernel]] = makeTeamKernels()
  private lazy var teamSteps = Team.Step.all(of: kernels[0])
  /// Floating-point operations of a replay that make another thread worth waking; tests have threads share
  /// what is smaller.
  package var operationsPerThread = Team.operationsPerThread
  /// The threads that replay a single item.
  package var threadsOfOneItem: Int { max(1, teamKernels.count) }
  private let sums: [StatisticSums]
  private var preparedVersion = -1
  private var items = 0
  private var isDealtInTurn = true
  /// The next item that no lane has, where they are not dealt in turn.
  private let nextItem = Atomic<Int>(0)

  /// Makes the memory for a number of lanes.
  ///
  /// - Parameter lender: a session that never runs concurrently; its lanes' arenas are shared
  ///   where they are large enough, as nothing in an arena outlives a replay.
  /// - Parameter prepared: a session of the same plan, whose values that depend on parameters alone are
  ///   read, for parameters that do not change any more. Both may run at the same time.
  /// - Parameter group: the processes that share the lanes evenly.
  public init(
    _ plan: Plan, parameters: ParameterMemory<B>, lanes: Int, pool: LanePool,
    borrowingFrom lender: Session<B>? = nil, sharing prepared: Session<B>? = nil,
    group: ProcessGroup? = nil
  ) {
    precondition(
      plan.parameters == parameters.layout, "the plan and the parameters are of two models")
    precondition(
      lender == nil || !plan.hasStates && !lender!.plan.hasStates,
      "an arena with states is nobody else's")
    self.plan = plan
    self.parameters = parameters
    self.lanes = lanes
    self.group = group
    ownLanes = group.map { $0.lanes(of: $0.rank, among: lanes) } ?? 0..<lanes
    self.pool = pool
    backend = parameters.backend
    let backend = backend
    precondition(
      prepared == nil || prepared!.plan.sharedWords == plan.sharedWords, "plans alike share values")
    prepared?.prepare()
    sharesPrepared = prepared != nil
    preparedVersion = prepared?.preparedVersion ?? -1
    let shared = prepared?.memories[0].shared ?? backend.allocate(words: plan.sharedWords)
    memories = (0..<ownLanes.count).map { lane in
      var arena: B.Memory?
      if let lender, lane < lender.memories.count, lender.plan.arenaWords >= plan.arenaWords {
        arena = lender.memories[lane].arena
      }
      return Memories(
        parameters: parameters.values, shared: shared,
        arena: arena ?? backend.allocate(words: plan.arenaWords),
        gradients: backend.allocate(
          words: plan.hasGradients ? plan.parameters.trainedWords : 0))
    }
    kernels = memories.map { memory in
      plan.instructions.map { backend.kernel(for: $0, in: memory) }
    }
    preparationKernels = plan.preparation.map { [memory = memories[0]] in
      backend.kernel(for: $0, in: memory)
    }
    sums = (0..<lanes).map { _ in StatisticSums(plan.statistics) }
  }

  /// Replays the plan once for each of a number of micro-batches.
  ///
  /// Lane `l` of `L` takes the items `l`, `l + L`, `l + 2L` and so on. Gradients and statistics
  /// are those of this run alone. Where another process is lost they are not valid, as the group says.
  public func run(items: Int) {
    isDealtInTurn = true
    exchange?.prepare()
    start(items)
    exchange?.complete()
    if let group { gatherSums(group) }
  }

  /// Takes the sums of the other processes' lanes.
  private func gatherSums(_ group: ProcessGroup) {
    guard !plan.statistics.isEmpty else { return }
    let count = sums[0].sums.count
    let all = exchanging(in: group) { group.gather(sums[ownLanes].flatMap(\.sums)).joined() }
    for lane in 0..<lanes where !ownLanes.contains(lane) {
      sums[lane].sums = Array(all.dropFirst(lane * count).prefix(count))
    }
  }

  /// Does what is measured as the exchange between processes.
  func exchanging<Result>(in group: ProcessGroup, _ body: () -> Result) -> Result {
    let (began, before) = (ContinuousClock.now, group.bytesSent)
    defer {
      trace?.addSent(bytes: group.bytesSent - before)
      trace?.add(.exchanging, since: began)
    }
    return body()
  }

  /// Whether this process computes an item.
  public func owns(item: Int) -> Bool { ownLanes.contains(item % lanes) }

  /// Gives every process the parts of a block that others have made of the items of the last run.
  ///
  /// - Parameter block: equal parts, one an item.
  public func share(_ block: UnsafeMutableRawBufferPointer) {
    guard let group else { return }
    let share = ownLanes.count
    exchanging(in: group) { group.share(block, items: items) { $0 % lanes / share } }
  }

  /// Replays the plan once for each of a number of items, each in the first lane that is free.
  ///
  /// For plans whose items have nothing to do with each other: no gradients, no statistics. What would leave
  /// most threads without work, as one item does, all of them replay together, with the same results.
  public func runUnordered(items: Int) {
    precondition(group == nil, "items in no order are of one process")
    precondition(!plan.hasGradients && plan.statistics.isEmpty, "the order of a sum is fixed")
    isDealtInTurn = false
    nextItem.store(0, ordering: .relaxed)
    // As many as lanes replay side by side, and what is left over; or all where the lanes are few.
    let beside = min(lanes, pool.threads)
    let team = teamKernels.count
    let rest = 2 * beside <= team ? items : items % beside
    let together = 2 * min(rest, beside) <= team ? rest : 0
    if items > together { start(items - together) } else { prepare() }
    self.items = items
    for item in (items - together)..<items where !(isCancelled?() ?? false) {
      replayTogether(item)
    }
  }

  /// Replays one item in all threads, in the arena of the first lane.
  private func replayTogether(_ item: Int) {
    let stopwatch = trace?.lanes[0]
    let replay = Replay(lane: 0, item: item, session: self)
    stopwatch?.start()
    let team = Team(kernels: teamKernels, steps: teamSteps) { stopwatch?.end(instruction: $0) }
    let began = ContinuousClock.now
    pool.runTogether(team, threads: teamKernels.count) {
      feed(replay)
      stopwatch?.end(.feeding)
      team.open()
    }
    trace?.add(.replaying, since: began)
    collect(replay)
    stopwatch?.end(.collecting)
  }

  /// Replays items of several sessions with the same lanes, each in the first lane that is free; the sessions
  /// may share arenas.
  ///
  /// - Parameters:
  ///   - replays: in the order in which they are begun; an item is known to its session by its number.
  ///   - isCancelled: asked before each replay, in the lane's own thread: where it says so, no other is begun.
  package static func runUnordered(
    _ replays: [(session: Session, item: Int)],
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    guard let first = replays.first?.session else { return }
    for (session, _) in replays {
      precondition(
        session.pool === first.pool && session.lanes == first.lanes && session.group == nil,
        "sessions of one process, pool and number of lanes")
      precondition(
        !session.plan.hasGradients && session.plan.statistics.isEmpty, "the order of a sum is fixed"
      )
      session.prepare()
    }
    first.pool.run(first.lanes, JointReplays(replays, isCancelled))
  }

  /// Replays of several sessions, dealt to lanes as these are free.
  private final class JointReplays: IndexedWork {
    private let replays: [(session: Session, item: Int)]
    private let isCancelled: @Sendable () -> Bool
    private let next = Atomic<Int>(0)

    init(_ replays: [(session: Session, item: Int)], _ isCancelled: @escaping @Sendable () -> Bool)
    {
      (self.replays, self.isCancelled) = (replays, isCancelled)
    }

    func perform(_ lane: Int) {
      while case let index = next.wrappingAdd(1, ordering: .relaxed).oldValue,
        index < replays.count
      {
        if isCancelled() { return }
        let (session, item) = replays[index]
        session.replay(item, lane, session.memories[lane], nil)
      }
    }
  }

  private func start(_ items: Int) {
    prepare()
    self.items = items
    run(self, count: ownLanes.count, as: .replaying)
  }

  /// Does some work for each index below `count`, in parallel, as a phase of the trace.
  func run(_ work: any IndexedWork, count: Int, as phase: Trace.Phase) {
    let began = ContinuousClock.now
    pool.run(count, work)
    trace?.add(phase, since: began)
  }

  /// One lane's part of a run.
  func perform(_ lane: Int) {
    let memory = memories[lane]
    let stopwatch = trace?.lanes[lane]
    stopwatch?.start()
    if plan.hasGradients { backend.clear(memory.gradients, words: plan.parameters.trainedWords) }
    sums[ownLanes.lowerBound + lane].clear()
    stopwatch?.end(.clearing)
    if isDealtInTurn {
      for item in stride(from: ownLanes.lowerBound + lane, to: items, by: lanes) {
        if isCancelled?() ?? false { return }
        replay(item, lane, memory, stopwatch)
      }
    } else {
      while case let item = nextItem.wrappingAdd(1, ordering: .relaxed).oldValue, item < items {
        if isCancelled?() ?? false { return }
        replay(item, lane, memory, stopwatch)
      }
    }
  }

  private func makeTeamKernels() -> [[Kernel]] {
    let work = plan.instructions.reduce(0) { $0 + $1.cost.operations }
    let threads = min(
      pool.threads, operationsPerThread > 0 ? work / operationsPerThread : pool.threads)
    guard threads > 1 else { return [] }
    let scratch = plan.instructions.reduce(0) { max($0, $1.workspace?.shape.count ?? 0) }
    return [kernels[0]]
      + (1..<threads).map { _ in
        let memories = memories[0].sharing(workspace: backend.allocate(words: scratch))
        return plan.instructions.map { backend.kernel(for: $0, in: memories) }
      }
  }

  /// Replays one item in a lane.
  private func replay(
    _ item: Int, _ lane: Int, _ memory: Memories<B.Memory>, _ stopwatch: Stopwatch?
  ) {
    let replay = Replay(lane: lane, item: item, session: self)
    feed(replay)
    stopwatch?.end(.feeding)
    if let exchange, item + lanes >= items {
      for (index, kernel) in kernels[lane].enumerated() {
        kernel()
        stopwatch?.end(instruction: index)
        exchange.advance(lane: lane, instructions: index + 1)
      }
    } else {
      for (index, kernel) in kernels[lane].enumerated() {
        kernel()
        stopwatch?.end(instruction: index)
      }
    }
    sums[ownLanes.lowerBound + lane].add(from: memory, on: backend)
    collect(replay)
    stopwatch?.end(.collecting)
  }

  /// A statistic, summed over the items of the last run.
  ///
  /// - Parameter name: as given to the plan.
  public func statistic(_ name: String) -> [Double] {
    var total = sums[0].values(name)
    for lane in sums.dropFirst() {
      for (index, value) in lane.values(name).enumerated() { total[index] += value }
    }
    return total
  }

  /// The mean of a scalar statistic over the items of the last run.
  public func mean(_ name: String) -> Double {
    statistic(name)[0] / Double(items)
  }

  /// Replays one micro-batch of the last run again, and names the first layer that yields a
  /// number that is not finite.
  ///
  /// - Returns: the operation and its layer, or `nil` if all is finite.
  public func firstNonFinite(item: Int) -> String? {
    let lane = item % ownLanes.count
    let memory = memories[lane]
    for (instruction, kernel) in zip(plan.preparation, preparationKernels)
    where !check(instruction, kernel, memory) {
      return place(instruction)
    }
    feed(Replay(lane: lane, item: item, session: self))
    for (instruction, kernel) in zip(plan.instructions, kernels[lane])
    where !check(instruction, kernel, memory) {
      return place(instruction)
    }
    return nil
  }

  /// Computes what depends on parameters alone, if they changed; a run does so by itself.
  package func prepare() {
    guard preparedVersion != parameters.version else { return }
    precondition(!sharesPrepared, "parameters whose values are shared do not change")
    let began = ContinuousClock.now
    trace?.preparation.start()
    for (index, kernel) in preparationKernels.enumerated() {
      kernel()
      trace?.preparation.end(instruction: index)
    }
    preparedVersion = parameters.version
    trace?.add(.preparing, since: began)
  }

  private func check(
    _ instruction: Instruction, _ kernel: Kernel, _ memory: Memories<B.Memory>
  ) -> Bool {
    kernel()
    return instruction.outputs.allSatisfy { output in
      output.type == .index
        || backend.isFinite(memory[output.region], at: output.offset, words: output.shape.count)
    }
  }

  private func place(_ instruction: Instruction) -> String {
    let layer = instruction.layer.isEmpty ? "the input" : instruction.layer
    return "\(instruction.operation.name) of \(layer)"
  }

  /// Writes an input, or one element of its outermost extent.
  private func write(
    _ name: String, _ words: UnsafeRawPointer, lane: Int, element: Int? = nil
  ) {
    guard let operand = plan.inputs[name] else { return }
    let range = operand.range(ofElement: element)
    backend.write(words, words: range.count, to: memories[lane].arena, at: range.lowerBound)
  }

  /// Reads an output, or one element of its outermost extent.
  private func read(
    _ name: String, into words: UnsafeMutableRawPointer, lane: Int, element: Int? = nil
  ) {
    guard let operand = plan.outputs[name] else {
      preconditionFailure("the plan has no output named \(name)")
    }
    let range = operand.range(ofElement: element)
    backend.read(
      memories[lane][operand.region], at: range.lowerBound, words: range.count, into: words)
  }
}

extension Operand {
  /// The words of the whole, or of one element of the outermost extent.
  fileprivate func range(ofElement element: Int?) -> Range<Int> {
    guard let element else { return offset..<offset + shape.count }
    precondition(element >= 0 && element < shape[0], "element \(element) of \(shape)")
    let words = shape.count / shape[0]
    return offset + element * words..<offset + (element + 1) * words
  }
}
