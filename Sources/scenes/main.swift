import ArgumentParser
import Commands

ScenesCommand.main()
