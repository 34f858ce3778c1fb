import Commands

Program.run(SweepCommand.self)
